"""Settings as frozen records. Each default says why it is what it is.

Values are resolved in this order: defaults here, then environment (`VSEARCH_LIBRARY`), then command-line flags.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsearch.errors import InputError

SAMPLINGS = ("exact", "keyframes")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """How a file is decoded and sampled.

    `start_s` and `end_s` limit a query to a range (None: to the ends). `stall_s`: a decoding process that shows no
    progress for so long is killed. `memory_bytes`: the most address space that it may take beyond its start.
    """

    fps: Fraction = Fraction(1)
    sampling: str = "exact"
    preview_pixels: int = 36864
    start_s: float | None = None
    end_s: float | None = None
    batch_frames: int = 32
    reader: str = "auto"
    stall_s: float = 60.0
    memory_bytes: int = 2 << 30
    threads: int = 1

    def __post_init__(self) -> None:
        if self.sampling not in SAMPLINGS:
            raise InputError(f"sampling must be one of {', '.join(SAMPLINGS)}, not {self.sampling!r}")
        if not 0 < self.fps <= 240:
            raise InputError(f"fps must be above 0 and at most 240, not {self.fps}")


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """How a folder is indexed. `workers`: decoding processes (None: one a core, four at most)."""

    read: ReadConfig = ReadConfig()
    clip_s: Fraction = Fraction(10)
    device: str = "auto"
    threads: int = 1
    workers: int | None = None
    volume: str | None = None
    retry: bool = False

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")


def default_library() -> Path:
    """The library that commands use when none is named: `$VSEARCH_LIBRARY`, else the platform's data directory."""
    named = os.environ.get("VSEARCH_LIBRARY")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("vsearch") / "library"
