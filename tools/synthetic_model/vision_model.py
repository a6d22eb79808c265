# SPDX-License-Identifier: Apache-2.0
"""The mmproj GGUF of a synthetic model."""

from __future__ import annotations

import gguf
from gguf import GGMLQuantizationType as Type

from gguf_output import OutputFile

from .clip_model import add_llava_metadata, llava_tensors
from .shapes import ModelShape, SiglipShape
from .siglip_model import add_smolvlm_metadata, smolvlm_tensors

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
    if isinstance(shape.vision, SiglipShape):
        add_smolvlm_metadata(writer, shape.text, shape.vision)
        tensors = smolvlm_tensors(shape.text, shape.vision, kind, seed)
    else:
        add_llava_metadata(writer, shape, shape.vision)
        tensors = llava_tensors(shape, shape.vision, kind, seed)
    return OutputFile(f"{name}-mmproj-{type_name}.gguf", writer, tensors)
