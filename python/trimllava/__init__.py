# SPDX-License-Identifier: Apache-2.0
"""LLaVA vision-language models on a CPU, with visual-token pruning.

from trimllava import LLaVA

with LLaVA("llava.gguf", "mmproj.gguf", keep=64) as llava:
    print(llava.describe("photo.jpg", "What is in the picture?"))
    for caption in llava.caption(paths):
        print(caption.source, caption.text or caption.error)
"""

from ._answers import Answer, Caption, PruneMap, Tile
from ._errors import ConnectionLost, PictureError, ProgramError, RequestError, TrimLLaVAError
from ._llava import QUESTION, LLaVA
from ._pictures import Picture
from ._program import ServerProcess, program_path
from ._requests import Options
from ._version import VERSION as __version__

__all__ = [
    "QUESTION",
    "Answer",
    "Caption",
    "ConnectionLost",
    "LLaVA",
    "Options",
    "Picture",
    "PictureError",
    "ProgramError",
    "PruneMap",
    "RequestError",
    "ServerProcess",
    "Tile",
    "TrimLLaVAError",
    "__version__",
    "program_path",
]
