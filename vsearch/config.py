"""Settings as frozen records. Each default says why it is what it is.

Values are resolved in this order: defaults here, then environment (`VSEARCH_LIBRARY`), then command-line flags.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Self

from vsearch.errors import InputError

SAMPLINGS = ("exact", "keyframes")
DEVICES = ("auto", "cpu", "cuda")
QUALITIES = ("low", "default", "high")  # how finely pictures are stored, coarsest first
EFFORTS = ("fast", "default", "archive")  # how hard the codec tries to make them small, least first
EXPORT_SUFFIXES = (".csv", ".edl", ".otio")  # of files with hits for other programs

# What the index of a library's frames may take of memory: enough for 15 million frames with a byte a dimension.
INDEX_MEMORY_BYTES = 2 << 30
LEAST_INDEX_MEMORY_BYTES = 16 << 20

# About 36,864 pixels (256x144) are what codecs and heads are trained on. Less than 64x64 shows nothing; a group of
# frames of 1024x1024 takes a gigabyte in the networks.
PREVIEW_PIXELS = 36_864
LEAST_PREVIEW_PIXELS, MOST_PREVIEW_PIXELS = 4_096, 1_048_576

EDGE = 1e-9  # what percentages that add up to 100 may exceed it by


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in a picture as it is displayed: its left and top edge, width and height, from the upper left corner.

    In pixels of the displayed picture (after rotation and pixel aspect), or with `percent` in hundredths of its sides.
    Raises InputError when it is empty or reaches out to the left or above.
    """

    x: float
    y: float
    width: float
    height: float
    percent: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.x < inf and 0 <= self.y < inf and 0 < self.width < inf and 0 < self.height < inf):
            raise InputError(f"the region {self} must begin inside the picture and be wider and higher than nothing")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A region from `320,180,640,360` or `10%,20%,50%,50%`. Raises InputError."""
        parts = [part.strip() for part in text.split(",")]
        shares = [part.endswith("%") for part in parts]
        try:
            x, y, width, height = (float(part.removesuffix("%")) for part in parts)
        except ValueError:
            x = y = width = height = -1.0
        if x < 0 or any(shares) != all(shares):
            raise InputError(f"{text!r} is no region: write x,y,width,height in pixels, or 10%,20%,50%,50%")
        return cls(x, y, width, height, percent=all(shares))

    def __str__(self) -> str:
        unit = "%" if self.percent else ""
        return ",".join(f"{value:g}{unit}" for value in (self.x, self.y, self.width, self.height))

    def shares(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in [0, 1] of a displayed picture's sides. Raises InputError beyond its edges."""
        across, down = (100.0, 100.0) if self.percent else (float(width), float(height))
        right, bottom = (self.x + self.width) / across, (self.y + self.height) / down
        if right > 1 + EDGE or bottom > 1 + EDGE:
            raise InputError(f"the region {self} reaches beyond the picture, which is {width}x{height}")
        return self.x / across, self.y / down, min(right, 1.0), min(bottom, 1.0)


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """How a file is decoded and sampled.

    `preview_pixels`: about how many pixels a stored picture has, whatever its shape (both sides are multiples of 16).
    `start_s` and `end_s` limit a query to a range (None: to the ends), `region` to a part of the picture. `stall_s`: a
    decoding process that shows no progress for so long is killed. `memory_bytes`: the most address space that it may
    take beyond its start.
    """

    fps: Fraction = Fraction(1)
    sampling: str = "exact"
    preview_pixels: int = PREVIEW_PIXELS
    start_s: float | None = None
    end_s: float | None = None
    region: Region | None = None
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
        if not LEAST_PREVIEW_PIXELS <= self.preview_pixels <= MOST_PREVIEW_PIXELS:
            limits = f"from {LEAST_PREVIEW_PIXELS} to {MOST_PREVIEW_PIXELS}"
            raise InputError(f"preview_pixels must be {limits}, not {self.preview_pixels}")


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """How a folder is indexed. `workers`: decoding processes (None: one a core, four at most).

    `quality` and `effort` are asked of the library's codec, which may offer fewer. `quality_check`: compare every
    stored picture with its frame. `upgrade`: read videos again that were stored with less than is asked for now.
    `pictures`: keep latents, from which pictures can be decoded; without, only what videos are found by.
    `index_memory_bytes`: what the index that searches use may take, where a run has to build one.
    """

    read: ReadConfig = ReadConfig()
    clip_s: Fraction = Fraction(10)
    device: str = "auto"
    threads: int = 1
    workers: int | None = None
    volume: str | None = None
    retry: bool = False
    quality: str = "default"
    effort: str = "default"
    quality_check: bool = True
    upgrade: bool = False
    pictures: bool = True
    index_memory_bytes: int = INDEX_MEMORY_BYTES

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        if self.quality not in QUALITIES:
            raise InputError(f"quality must be one of {', '.join(QUALITIES)}, not {self.quality!r}")
        if self.effort not in EFFORTS:
            raise InputError(f"effort must be one of {', '.join(EFFORTS)}, not {self.effort!r}")
        check_index_memory(self.index_memory_bytes)


def check_index_memory(n_bytes: int) -> None:
    """Raise InputError for less memory than any index needs."""
    if n_bytes < LEAST_INDEX_MEMORY_BYTES:
        raise InputError(f"index_memory_bytes must be at least {LEAST_INDEX_MEMORY_BYTES}, not {n_bytes}")


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures are shown wherever some are drawn: `blur` leaves large shapes only, `grey` no colour."""

    blur: bool = False
    grey: bool = False


AS_STORED = Look()


def default_library() -> Path:
    """The library that commands use when none is named: `$VSEARCH_LIBRARY`, else the platform's data directory."""
    named = os.environ.get("VSEARCH_LIBRARY")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("vsearch") / "library"
