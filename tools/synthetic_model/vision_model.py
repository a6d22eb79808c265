# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of a synthetic model."""

from __future__ import annotations

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputFile

from .clip_model import add_llava_metadata, llava_tensors
from .qwen_model import add_qwen_metadata, qwen_tensors
from .shapes import ModelShape, OnevisionShape, QwenShape, SmolVLMShape, VisionShape
from .siglip_model import (
    add_onevision_metadata,
    add_smolvlm_metadata,
    onevision_tensors,
    smolvlm_tensors,
)

FILE_TYPES = {
    "F16": (gguf.LlamaFileType.MOSTLY_F16, Type.F16),
    "BF16": (gguf.LlamaFileType.MOSTLY_BF16, Type.BF16),
    "Q8_0": (gguf.LlamaFileType.MOSTLY_Q8_0, Type.Q8_0),
}


def mmproj_file(name: str, shape: ModelShape, type_name: str, seed: int) -> OutputFile:
    """The mmproj GGUF with matrices of the named type."""
    file_type, kind = FILE_TYPES[type_name]
    writer = gguf.GGUFWriter(None, "clip")
    writer.add_file_type(file_type)
    writer.add_name(name)
    match shape.vision:
        case SmolVLMShape() as vision:
            add_smolvlm_metadata(writer, shape.text, vision)
            tensors = smolvlm_tensors(shape.text, vision, kind, seed)
        case OnevisionShape() as vision:
            add_onevision_metadata(writer, shape.text, vision)
            tensors = onevision_tensors(shape.text, vision, kind, seed)
        case QwenShape() as vision:
            add_qwen_metadata(writer, shape.text, vision)
            tensors = qwen_tensors(shape.text, vision, kind, seed)
        case VisionShape() as vision:
            add_llava_metadata(writer, shape, vision)
            tensors = llava_tensors(shape, vision, kind, seed)
    return OutputFile(f"{name}-mmproj-{type_name}.gguf", writer, tensors)
