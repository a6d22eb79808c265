# SPDX-License-Identifier: Apache-2.0
"""The comparison of runtimes: one module for each, and shared ones."""
