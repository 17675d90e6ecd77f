"""Child processes that run a module of this package and are spoken to through their pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[1])


def start_module(
    name: str, *arguments: str, log: BinaryIO | None = None
) -> tuple[subprocess.Popen[bytes], BinaryIO, BinaryIO]:
    """A new interpreter that runs the module `name`, its input and its output: whoever calls closes both.

    The module finds the package that this process runs, wherever that lies, and nothing in the current folder. log: a
    file that takes its stderr (None: this process's own stderr). Raises OSError when no process can be started.
    """
    # an empty or relative entry would be, or lie in, the current folder
    told = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(entry).is_absolute()]
    process = subprocess.Popen(
        # -P: never import from the current folder, which may be full of files that somebody else named
        [sys.executable, "-P", "-m", name, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([_PACKAGE_ROOT, *told])},
    )
    return process, cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
