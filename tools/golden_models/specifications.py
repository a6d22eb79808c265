# SPDX-License-Identifier: Apache-2.0
"""All tiny models."""

from __future__ import annotations

from .idefics3 import SMOLVLM_MODELS
from .llava import LLAVA_MODELS
from .onevision import ONEVISION_MODELS
from .qwen_vl import QWEN_VL_MODELS
from .specification import ModelSpecification

MODELS: tuple[ModelSpecification, ...] = (
    *LLAVA_MODELS,
    *SMOLVLM_MODELS,
    *ONEVISION_MODELS,
    *QWEN_VL_MODELS,
)
