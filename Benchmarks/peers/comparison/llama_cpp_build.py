# SPDX-License-Identifier: Apache-2.0
"""Builds llama.cpp for this processor from the sources in llama-cpp-python's package."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from . import processes

PACKAGE, PACKAGE_VERSION = "llama-cpp-python", "0.3.36"
TARGETS = ("llama-bench", "llama-mtmd-cli", "llama-server")
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_OPENSSL=OFF",
)


class LlamaCppBuild:
    """llama.cpp's sources and programs in their own folder."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "llama.cpp" / PACKAGE_VERSION
        self.package = self.folder / "source"
        self.programs = self.folder / "build/bin"

    def install(self, tools: Path) -> None:
        """Unpacks and builds, with pip, cmake and ninja from the folder `tools`."""
        if not self.package.exists():
            self.unpack(tools)
        build = self.folder / "build"
        processes.install(
            [
                *(tools / "cmake", "-S", self.package / "vendor/llama.cpp", "-B", build),
                *("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"),
                *OPTIONS,
            ]
        )
        processes.install([tools / "cmake", "--build", build, "--target", *TARGETS])

    def unpack(self, tools: Path) -> None:
        processes.install(
            [
                *(tools / "pip", "download", "--quiet", "--no-deps"),
                *("--no-binary", PACKAGE, "--dest", self.folder),
                f"{PACKAGE}=={PACKAGE_VERSION}",
            ]
        )
        name = f"llama_cpp_python-{PACKAGE_VERSION}"
        with tarfile.open(self.folder / f"{name}.tar.gz") as archive:
            archive.extractall(self.folder, filter="data")
        (self.folder / name).rename(self.package)

    def version(self) -> str:
        changes = (self.package / "CHANGELOG.md").read_text()
        commit = re.search(r"ggml-org/llama\.cpp@(\w+)", changes)
        return f"llama.cpp {commit[1] if commit else ''}, from {PACKAGE} {PACKAGE_VERSION}"
