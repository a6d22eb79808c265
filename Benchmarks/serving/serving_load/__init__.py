# SPDX-License-Identifier: Apache-2.0
"""Loads `trimllava serve` with many, slow and hostile clients, and measures what each of them gets."""
