# SPDX-License-Identifier: Apache-2.0
"""Long runs of `trimllava caption` and `trimllava serve`, and what their processes hold meanwhile."""
