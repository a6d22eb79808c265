# SPDX-License-Identifier: Apache-2.0
"""Tags the wheel: the program inside is for one processor, and no Python's in particular."""

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel


class ProgramDistribution(Distribution):
    """A distribution with files for one processor."""

    def has_ext_modules(self) -> bool:
        return True


class ProgramWheel(bdist_wheel):
    """A wheel for every Python of one platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(distclass=ProgramDistribution, cmdclass={"bdist_wheel": ProgramWheel})
