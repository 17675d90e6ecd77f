"""Pictures that are easier to look at: blurred until only large shapes remain, or without colour."""

from __future__ import annotations

from PIL import Image

from vsearch.config import Look

CELLS = 24  # colours that a blurred picture has along its longer side: what is where, but no face, text or detail


def soften(image: Image.Image, look: Look) -> Image.Image:
    """The picture as it is to be shown. What a blur takes away can't be had back: each cell keeps its mean alone."""
    if look.grey:
        image = image.convert("L").convert("RGB")
    if look.blur:
        width, height = (max(1, round(side * CELLS / max(image.size))) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
    return image
