"""Small packed folders of made-up sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.videos import scene_frames, texture
from vsearch.training.data import PackWriter

SIZE = (104, 136)
HELD_OUT = "aside"  # a name whose hash makes it validate


def write_pack(folder: Path, *, videos: int = 6, photos: int = 5, frames: int = 12) -> Path:
    """A packed folder of `videos` camera movements and `photos` stills, each a group of its own; but the last of both
    are one group, that validates.
    """
    writer = PackWriter(folder, quality=16)
    for n in range(videos):
        moving = np.stack(list(scene_frames(n, frames, SIZE, speed=1 + n % 3)))
        group = HELD_OUT if n == videos - 1 else f"v{n}"
        writer.add(file=f"v{n}.mp4", group=group, scene=f"v{n}", fps=5.0, frames=moving)
    for n in range(photos):
        group = HELD_OUT if n == photos - 1 else f"p{n}"
        writer.add(file=f"p{n}.webp", group=group, scene=f"p{n}", fps=0.0, frames=texture(100 + n, SIZE)[None])
    writer.close()
    return folder
