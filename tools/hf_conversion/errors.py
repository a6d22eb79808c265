# SPDX-License-Identifier: Apache-2.0
"""The error of a conversion."""


class ConversionError(Exception):
    """An error in the folder; the message is one line that names the file."""
