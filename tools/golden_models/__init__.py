# SPDX-License-Identifier: Apache-2.0
"""Tiny random models and their golden values: the parts of tools/make-golden-models."""
