# SPDX-License-Identifier: Apache-2.0
"""Tags the wheel: the program inside is for one processor, and no Python's in particular."""

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class ProgramWheel(bdist_wheel):
    """A wheel with a program inside."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(cmdclass={"bdist_wheel": ProgramWheel})
