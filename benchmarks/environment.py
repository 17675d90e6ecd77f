"""Where a figure was taken: commit, machine, versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vsearch._version import __version__

ROOT = Path(__file__).resolve().parents[1]

# Of the last minute when the program started: later it would tell of the measurement itself.
_LOAD_BEFORE = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None

# What it is called here: the distributions that may have brought it, the first one installed counts.
PACKAGES = {
    "torch": ("torch",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "av": ("av",),
    "decord": ("decord2", "decord"),
    "numpy": ("numpy",),
    "pillow": ("pillow",),
    "pdqhash": ("pdqhash",),
    "imagehash": ("ImageHash",),
}


@cache
def commit() -> dict[str, Any]:
    """The commit that was checked out when this was first asked (a program asks before it begins), and whether files
    differed from it; None outside a checkout.
    """
    here = _output("git", "-C", str(ROOT), "rev-parse", "HEAD")
    changed = _output("git", "-C", str(ROOT), "status", "--porcelain", "--", "vsearch", "benchmarks")
    return {"commit": here, "changed": None if here is None else bool(changed)}


def machine() -> dict[str, Any]:
    """Cores, CPU model, memory, and how busy the machine was before the run (load average)."""
    return {
        "cores": available_cores(),
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "memory_bytes": _memory_bytes(),
        "platform": platform.platform(),
        "load_average_before": _LOAD_BEFORE,
    }


def versions() -> dict[str, str | None]:
    """Of vsearch, python, the packages that matter, and the ffmpeg command; None: not installed."""
    found: dict[str, str | None] = {"vsearch": __version__, "python": platform.python_version()}
    found |= {name: _installed(distributions) for name, distributions in PACKAGES.items()}
    first_line = (_output("ffmpeg", "-version") or "").partition("\n")[0].split()
    return {**found, "ffmpeg": first_line[2] if len(first_line) > 2 else None}


def nvidia_driver() -> str | None:
    """The version of NVIDIA's driver; None without nvidia-smi, which comes with it."""
    told = _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return told.partition("\n")[0].strip() if told else None


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _installed(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return f"{version(name)} ({name})" if len(distributions) > 1 else version(name)
        except PackageNotFoundError:
            continue
    return None


def _memory_bytes() -> int | None:
    kilobytes = _field(Path("/proc/meminfo"), "MemTotal")
    return int(kilobytes.split()[0]) * 1024 if kilobytes else None


def _field(path: Path, name: str) -> str | None:
    """The value after `name:` in a file of /proc; None where there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), None)


def _output(*command: str) -> str | None:
    """What a command prints; None when it is absent or fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else None
