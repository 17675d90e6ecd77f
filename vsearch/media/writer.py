"""Frames to a video file: previews and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vsearch.errors import MediaError


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    time_base: Fraction,
    pts: Iterable[int] | None = None,
    codec: str = "libx264",
    crf: int = 20,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write RGB pictures as H.264 (or `codec`) and return how many were written.

    frames: each (3, H, W) uint8 RGB, all of one size; odd sizes are written in 4:4:4. `pts` are the presentation times in
    ticks of `time_base`, strictly ascending; without them the frames follow one tick apart.

    Raises MediaError when the file cannot be written, ValueError for no frames or frames of different sizes.
    """
    raise NotImplementedError
