"""Frames to a video file: previews and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, count
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsearch.errors import MediaError

_BT709 = 1  # the number of BT.709 in H.264's tables of matrices, primaries and transfers alike
_MP4_TAGS = {"movflags": "+faststart+use_metadata_tags"}


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    time_base: Fraction,
    pts: Iterable[int] | None = None,
    codec: str = "libx264",
    crf: int = 20,
    metadata: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    last_duration: int = 1,
) -> int:
    """Write RGB pictures as H.264 (or `codec`), BT.709, and return how many were written.

    frames: each (3, H, W) uint8 RGB, all of one size; odd sizes are written in 4:4:4. `pts` are the presentation
    times in ticks of `time_base`, strictly ascending; without them the frames follow one tick apart. The last frame
    stays for `last_duration` ticks. The container follows the file's suffix; `options` go to the encoder.

    Raises MediaError when the file cannot be written, ValueError for no frames or frames of different sizes.
    """
    timed = zip(frames, count() if pts is None else pts, strict=pts is not None)
    first = next(timed, None)
    if first is None:
        raise ValueError(f"{path}: no frames to write")
    mp4 = path.suffix.lower() in (".mp4", ".m4v", ".mov")
    try:
        with av.open(str(path), "w", options=_MP4_TAGS if mp4 else {}) as container:
            container.metadata.update(metadata or {})
            stream = _add_stream(container, codec, first[0].shape, time_base, {"crf": str(crf), **(options or {})})
            return _encode(container, stream, chain([first], timed), last_duration)
    except av.error.FFmpegError as error:
        raise MediaError(f"{path}: cannot be written as {codec}: {error.strerror or error}") from error


def _add_stream(
    container: OutputContainer, codec: str, shape: tuple[int, ...], time_base: Fraction, options: dict[str, str]
) -> VideoStream:
    _, height, width = shape
    stream = container.add_stream(codec, rate=1 / time_base, options=options)
    if not isinstance(stream, VideoStream):
        raise ValueError(f"{codec} is not a video codec")
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    context = stream.codec_context
    context.time_base = time_base
    context.color_range = ColorRange.MPEG
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    return stream


def _encode(
    container: OutputContainer,
    stream: VideoStream,
    timed: Iterator[tuple[NDArray[np.uint8], int]],
    last_duration: int,
) -> int:
    written = 0
    shape = None
    last = -1
    for picture, pts in timed:
        if shape not in (None, picture.shape):
            raise ValueError(f"frame {written} has shape {picture.shape}, the first had {shape}")
        shape, last = picture.shape, pts
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.transpose(1, 2, 0)), format="rgb24")
        frame = frame.reformat(
            format=stream.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts, frame.time_base = pts, stream.codec_context.time_base
        for packet in stream.encode(frame):
            container.mux(packet)
        written += 1
    for packet in stream.encode(None):
        if packet.pts == last:
            packet.duration = last_duration
        container.mux(packet)
    return written
