# SPDX-License-Identifier: Apache-2.0
"""Models of real shape with random weights: the parts of tools/make-synthetic-model."""
