# SPDX-License-Identifier: Apache-2.0
"""The comparison of runtimes: one file for each runtime, and what they share."""
