# SPDX-License-Identifier: Apache-2.0
"""The error of a comparison."""


class ComparisonError(Exception):
    """A peer cannot be installed or measured; the message says which command failed and how."""
