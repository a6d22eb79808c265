# SPDX-License-Identifier: Apache-2.0
"""Loads `trimllava serve` as many, slow and hostile clients do, and measures what becomes of everybody."""
