# SPDX-License-Identifier: Apache-2.0
"""`trimllava` and `python -m trimllava`: the program itself."""

from __future__ import annotations

import os
import sys

from ._errors import ProgramError
from ._program import program_path


def main() -> None:
    """Becomes the program, with this process's arguments."""
    try:
        program = program_path()
        os.execv(program, ["trimllava", *sys.argv[1:]])
    except (ProgramError, OSError) as error:
        sys.exit(f"trimllava: {error}")


if __name__ == "__main__":
    main()
