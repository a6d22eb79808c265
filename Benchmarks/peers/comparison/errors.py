# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a comparison."""


class ComparisonError(Exception):
    """A peer cannot be installed or measured; the message says which command failed and how."""
