"""What people keep instead of latents: one compressed still picture a sampled frame, by Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True)
class StillCoder:
    """A still format with its settings. Higher `quality` (in `qualities`) means more bytes."""

    name: str
    form: str
    qualities: range
    settings: Mapping[str, Any] = field(default_factory=dict)

    def code(self, frame: NDArray[np.uint8], quality: int) -> tuple[int, NDArray[np.uint8]]:
        """frame: (3, H, W) uint8 RGB -> bytes of the file, container included, and the picture that it decodes to."""
        buffer = BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
        picture.save(buffer, self.form, quality=quality, **self.settings)
        n_bytes = buffer.tell()
        buffer.seek(0)
        with Image.open(buffer) as decoded:
            return n_bytes, np.ascontiguousarray(np.asarray(decoded.convert("RGB")).transpose(2, 0, 1))


STILLS = (
    StillCoder("JPEG", "JPEG", range(1, 96), {"optimize": True}),
    StillCoder("WebP (method 6)", "WEBP", range(0, 101), {"method": 6}),
    StillCoder("AVIF (speed 4)", "AVIF", range(0, 101), {"speed": 4}),
)
