# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folders to GGUF: the parts of tools/convert-hf."""
