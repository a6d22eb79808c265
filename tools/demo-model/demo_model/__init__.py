# SPDX-License-Identifier: Apache-2.0
"""A small LLaVA that sees drawn scenes: scenes, questions, model, training and export."""
