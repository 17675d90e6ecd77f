"""From a decoded frame to the pictures that the rest of the program sees: preview pixels and the detector's luma."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import av
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from vsearch.media.base import LUMA_SIZE
from vsearch.media.sampling import Framing
from vsearch.media.tonemap import tone_mapped

_AREA = Interpolation.AREA
EXACT = (  # the same bits on every CPU, and chroma that is averaged, not dropped
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_MATRICES = {  # FFmpeg's number of a matrix in a frame -> swscale's table
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}  # FFmpeg's number of a transfer in a frame -> its name


def orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """(rotation clockwise in degrees, mirrored): what to apply to the stored picture, the flip first.

    From the frame's display matrix [[a, b], [c, d]], rounded to a quarter turn; without one (0, False).
    """
    try:
        side_data = cast(Mapping[object, Buffer], frame.side_data)  # typed too narrowly by PyAV
    except ValueError:  # side data of a kind that PyAV doesn't know (stereo views): the rotation alone is to be had
        return round(-frame.rotation / 90) % 4 * 90, False
    if SideDataType.DISPLAYMATRIX not in side_data:
        return 0, False
    matrix = np.frombuffer(memoryview(side_data[SideDataType.DISPLAYMATRIX]), np.int32).astype(float)
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(math.degrees(math.atan2(b, a)) / 90) % 4 * 90, bool(mirrored)


class PictureMaker:
    """Turns frames of one stream into pictures, keeping the scalers set up between frames.

    `on_white`: transparent pixels are shown on white, as viewers show image files; without it alpha is dropped, as
    players and converters do with video.
    """

    def __init__(self, rotation: int, mirrored: bool, on_white: bool) -> None:
        self._rotation, self._mirrored, self._on_white = rotation, mirrored, on_white
        self._luma, self._picture = VideoReformatter(), VideoReformatter()

    def luma(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """(36, 64) uint8: the area-averaged luma, not rotated, in the range that it is stored in."""
        height, width = LUMA_SIZE
        small = self._luma.reformat(frame, width, height, "gray", interpolation=_AREA, threads=1)
        return _plane(small, 0, height, width)

    def picture(self, frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(3, H, W) uint8 RGB, display orientation; size = (H, W)."""
        height, width = size if self._rotation % 180 == 0 else size[::-1]
        transfer = HDR_TRANSFERS.get(frame.color_trc)
        if transfer:
            pixels = tone_mapped(self._deep(frame, height, width), transfer)
        elif self._on_white and _has_alpha(frame):
            rgba = self._scaled(frame, height, width, "rgba").astype(np.uint16)
            alpha = rgba[..., 3:]
            pixels = ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        else:
            pixels = self._scaled(frame, height, width, "rgb24")
        if self._mirrored:
            pixels = pixels[:, ::-1]
        pixels = np.rot90(pixels, -self._rotation // 90)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _scaled(self, frame: av.VideoFrame, height: int, width: int, pixel_format: str) -> NDArray[np.uint8]:
        """(H, W, samples) of a packed RGB format."""
        scaled = self._reformat(frame, height, width, pixel_format)
        samples = len(scaled.format.components)
        return _plane(scaled, 0, height, width * samples).reshape(height, width, samples)

    def _deep(self, frame: av.VideoFrame, height: int, width: int) -> NDArray[np.uint16]:
        """(H, W, 3) uint16 RGB. By planes: swscale 9.5 wraps around in rgb48 with full chroma interpolation."""
        scaled = self._reformat(frame, height, width, "gbrp16le")
        green, blue, red = (_plane(scaled, plane, height, 2 * width).view("<u2") for plane in range(3))
        return np.stack([red, green, blue], axis=-1)

    def _reformat(self, frame: av.VideoFrame, height: int, width: int, pixel_format: str) -> av.VideoFrame:
        return self._picture.reformat(
            frame,
            width,
            height,
            pixel_format,
            src_colorspace=None if frame.format.is_rgb else _matrix(frame),
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=EXACT,
            threads=1,
        )


def framed(picture: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    """(3, *framing.size) uint8 RGB of a picture (3, *framing.whole) uint8 RGB: cut, and scaled where that is needed."""
    top, left, height, width = framing.box
    cut = picture[:, top : top + height, left : left + width]
    return np.ascontiguousarray(cut) if (height, width) == framing.size else scaled(cut, framing.size)


def scaled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (3, h, w) uint8 RGB as (3, *size), by the area filter that frames are scaled with."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.transpose(1, 2, 0)), format="rgb24")
    return PictureMaker(0, False, on_white=False).picture(frame, size)


def _matrix(frame: av.VideoFrame) -> int:
    """The matrix that the frame names, else the one that its size suggests."""
    if frame.colorspace in _MATRICES:
        return _MATRICES[frame.colorspace]
    if frame.color_trc in HDR_TRANSFERS:
        return Colorspace.BT2020
    return guessed_matrix(frame.width, frame.height)


def guessed_matrix(width: int, height: int) -> int:
    """The matrix of pictures that name none: BT.709 from high definition on, BT.601 below, as players do."""
    return Colorspace.ITU709 if width >= 1280 or height > 576 else Colorspace.ITU601


def _range(frame: av.VideoFrame) -> int:
    """Full range where the frame or its pixel format says so; RGB is full, other formats are limited by default."""
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return frame.color_range
    full = frame.format.is_rgb or frame.format.name.startswith(("yuvj", "gray", "ya", "pal", "mono"))
    return ColorRange.JPEG if full else ColorRange.MPEG


def _has_alpha(frame: av.VideoFrame) -> bool:
    components = frame.format.components
    return any(component.is_alpha for component in components) or frame.format.name == "pal8"


def _plane(frame: av.VideoFrame, number: int, height: int, row_bytes: int) -> NDArray[np.uint8]:
    plane = frame.planes[number]
    rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :row_bytes].copy()
