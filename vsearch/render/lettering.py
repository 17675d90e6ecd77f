"""Text as a mask of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


def lettering(text: str, height_px: int) -> NDArray[np.float32]:
    """(h, w) float32 coverage in [0, 1] of one or more lines of text whose letters are about `height_px` high."""
    font = ImageFont.load_default(height_px)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox(
        (0, 0), text, font, spacing=height_px // 2
    )
    image = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, 255, font, spacing=height_px // 2)
    return np.asarray(image, np.float32) / np.float32(255)
