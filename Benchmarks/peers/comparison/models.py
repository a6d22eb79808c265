# SPDX-License-Identifier: Apache-2.0
"""The models' GGUF files, made by tools/make-synthetic-model, the pictures, and the Python for both."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .workload import Folders, Workload

PILLOW = "pillow==11.3.0"
# The packages at the top of tools/make-synthetic-model; cmake and ninja build llama.cpp.
PYTHON_PACKAGES = ("gguf==0.19.0", "numpy==2.2.6", "cmake==4.4.5", "ninja==1.13.2", PILLOW)
ENLARGE = Path(__file__).parents[1] / "photograph_programs/enlarge.py"


@dataclass(frozen=True)
class ModelFiles:
    text: Path
    mmproj: Path


def virtual_environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """Makes a virtual environment with the packages; returns its folder of programs."""
    programs = folder / "bin"
    stamp = folder / "installed-packages"
    wanted = "\n".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        processes.install([sys.executable, "-m", "venv", folder])
        processes.install([programs / "pip", "install", "--quiet", *packages])
        stamp.write_text(wanted)
    return programs


def python_programs(folders: Folders) -> Path:
    """The programs python, pip, cmake and ninja of the comparison's own folder."""
    return virtual_environment(folders.work / "python", PYTHON_PACKAGES)


def model_files(folders: Folders, workload: Workload, mmproj_type: str = "F16") -> ModelFiles:
    """The workload's pair with the vision tower in the given format; made if missing."""
    folder = folders.work / "models" / workload.name
    files = ModelFiles(
        text=folder / f"synthetic-{workload.name}.gguf",
        mmproj=folder / f"synthetic-{workload.shape}-mmproj-{mmproj_type}.gguf",
    )
    if files.text.exists() and files.mmproj.exists():
        return files
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        processes.install(
            [
                python_programs(folders) / "python",
                folders.repository / "tools/make-synthetic-model",
                *("--shape", workload.shape, "--type", workload.text_type),
                *("--mmproj-type", mmproj_type, "--outdir", unfinished),
            ]
        )
        for path in Path(unfinished).iterdir():
            path.rename(folder / path.name)
    return files


def make_picture(folders: Folders, workload: Workload) -> None:
    """Makes the workload's picture from the sample, unless it is the sample or is there."""
    picture = folders.picture(workload)
    if picture.exists():
        return
    picture.parent.mkdir(parents=True, exist_ok=True)
    unfinished = picture.with_name(f"unfinished-{picture.name}")
    width, height = map(str, workload.picture_size)
    processes.install(
        [
            *(python_programs(folders) / "python", ENLARGE),
            *(folders.sample_picture, unfinished, width, height),
        ]
    )
    unfinished.rename(picture)
