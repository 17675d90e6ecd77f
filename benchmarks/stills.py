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
        data = self.save(frame, quality)
        return len(data), self.open(data)

    def save(self, frame: NDArray[np.uint8], quality: int) -> bytes:
        """frame: (3, H, W) uint8 RGB -> the file."""
        buffer = BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
        picture.save(buffer, self.form, quality=quality, **self.settings)
        return buffer.getvalue()

    def open(self, data: bytes) -> NDArray[np.uint8]:
        """The file -> its picture, (3, H, W) uint8 RGB."""
        with Image.open(BytesIO(data)) as decoded:
            return np.ascontiguousarray(np.asarray(decoded.convert("RGB")).transpose(2, 0, 1))


JPEG = StillCoder("JPEG", "JPEG", range(1, 96), {"optimize": True})
WEBP = StillCoder("WebP (method 6)", "WEBP", range(0, 101), {"method": 6})
AVIF = StillCoder("AVIF (speed 4)", "AVIF", range(0, 101), {"speed": 4})

STILLS = (JPEG, WEBP, AVIF)


def media_data_bytes(data: bytes) -> int:
    """Bytes of the pictures in an ISO base media file such as AVIF: what its top-level `mdat` boxes hold, without
    their headers and without every other box.

    Source: ISO/IEC 14496-12, 4.2. Raises ValueError for bytes that are no whole boxes.
    """
    found = position = 0
    while position < len(data):
        size, kind, head = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        elif size == 0:
            size = len(data) - position
        if size < head or position + size > len(data):
            raise ValueError(f"a box of {size} bytes at {position} in a file of {len(data)}")
        found += size - head if kind == b"mdat" else 0
        position += size
    return found
