"""Pictures <-> coded pictures without a container: how training keeps its frames small.

HEVC in 4:4:4 and full range, because training wants colours as they are, and because it takes sides of any parity.
One thread and fixed parameters: the same pictures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.error
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from vsearch.errors import MediaError
from vsearch.media.picture import EXACT

MIN_SIDE_PX = 64  # x265 writes beyond its buffers for smaller pictures: they are coded with their edges repeated
FINEST, COARSEST = 8, 48  # of the quality numbers (x265's constant rate factor) that make sense here
_PARAMETERS = "log-level=none:pools=none:frame-threads=1:info=0"


def code_pictures(pictures: Iterable[NDArray[np.uint8]], *, quality: int) -> list[bytes]:
    """Code consecutive pictures of one size; returns the packets, in decoding order, headers included.

    pictures: (3, H, W) uint8 RGB each, at least one. quality: FINEST to COARSEST; six steps halve or
    double the size, about. Raises MediaError when the encoder refuses.
    """
    encoder: VideoCodecContext | None = None
    packets: list[bytes] = []
    try:
        for number, picture in enumerate(pictures):
            padded = _padded(picture)
            encoder = encoder or _encoder(padded.shape, quality)
            packets += map(bytes, encoder.encode(_frame(padded, number)))
        if encoder is None:
            raise ValueError("no pictures to code")
        return packets + [bytes(packet) for packet in encoder.encode(None)]
    except av.error.FFmpegError as error:
        raise MediaError(f"pictures cannot be coded as HEVC: {error.strerror or error}") from error


def decoded_pictures(packets: Iterable[bytes], size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """The pictures, (3, H, W) uint8 RGB each, that `code_pictures` coded: the same on every machine.

    size: their (H, W). Raises MediaError for damaged packets.
    """
    decoder = CodecContext.create("hevc", "r")
    if not isinstance(decoder, VideoCodecContext):
        raise MediaError("no decoder for HEVC here")
    decoder.thread_count = 1
    try:
        for packet in [*map(av.Packet, packets), None]:
            for frame in decoder.decode(packet):
                yield _picture(frame, size)
    except av.error.FFmpegError as error:
        raise MediaError(f"coded pictures are damaged: {error.strerror or error}") from error


def _encoder(shape: tuple[int, ...], quality: int) -> VideoCodecContext:
    encoder = CodecContext.create("libx265", "w")
    if not isinstance(encoder, VideoCodecContext):
        raise MediaError("no encoder for HEVC here")
    _, encoder.height, encoder.width = shape
    encoder.pix_fmt = "yuv444p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.thread_count = 1
    encoder.options = {"crf": str(quality), "preset": "medium", "tune": "psnr", "x265-params": _PARAMETERS}
    return encoder


def _padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, its last rows and columns repeated up to the smallest size that the encoder bears."""
    below, right = (max(0, MIN_SIDE_PX - side) for side in picture.shape[1:])
    return np.pad(picture, ((0, 0), (0, below), (0, right)), "edge") if below or right else picture


def _frame(picture: NDArray[np.uint8], number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.transpose(1, 2, 0)), format="rgb24")
    frame = frame.reformat(
        format="yuv444p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
        threads=1,
    )
    frame.pts = number
    return frame


def _picture(frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
        threads=1,
    )
    height, width = size
    return np.ascontiguousarray(rgb.to_ndarray()[:height, :width].transpose(2, 0, 1))
