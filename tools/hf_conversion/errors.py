# SPDX-License-Identifier: Apache-2.0
"""The error of a conversion."""


class ConversionError(Exception):
    """What is wrong with the folder, in one line that names the file."""
