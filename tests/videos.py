"""Small real videos, written with PyAV: what the tests read.

A picture is (3, H, W) uint8 RGB. `texture` gives scenes that look nothing like each other, `scene_frames` a camera
moving over one of them. Everything is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsearch.media.writer import write_video

Picture = NDArray[np.uint8]
SIZE = (144, 256)  # (height, width)


def texture(scene: int, size: tuple[int, int] = SIZE) -> Picture:
    """A still picture of scene number `scene`: blobs and edges at several scales, its own colours."""
    rng = np.random.default_rng(1000 + scene)
    height, width = size
    picture = np.zeros((3, height, width), np.float64)
    for cells in (2, 4, 9, 20):
        grid = rng.uniform(-1, 1, (3, cells + 1, cells + 1))
        rows = np.linspace(0, cells, height, endpoint=False).astype(int)
        columns = np.linspace(0, cells, width, endpoint=False).astype(int)
        picture += grid[:, rows][:, :, columns] / np.sqrt(cells)
    picture -= picture.min()
    return np.asarray(picture * (235 / picture.max()) + 10, np.uint8)


def scene_frames(
    scene: int, frames: int, size: tuple[int, int] = SIZE, *, speed: float = 1.0, noise: float = 0.0
) -> Iterator[Picture]:
    """`frames` pictures of a camera that pans over scene number `scene`, `speed` pixels a frame."""
    height, width = size
    margin = int(frames * abs(speed)) + 1
    wide = texture(scene, (height, width + margin))
    rng = np.random.default_rng(scene)
    for number in range(frames):
        left = int(number * abs(speed))
        picture = wide[:, :, left : left + width]
        if noise:
            picture = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(picture)


def cuts_video(
    path: Path,
    shots: Sequence[tuple[int, int]],
    *,
    fps: int = 25,
    size: tuple[int, int] = SIZE,
    speed: float = 1.0,
    metadata: dict[str, str] | None = None,
) -> list[int]:
    """Hard cuts: `shots` are (scene number, frames). Returns the frame number with which each shot begins."""
    pictures = (picture for scene, frames in shots for picture in scene_frames(scene, frames, size, speed=speed))
    write_video(path, pictures, time_base=Fraction(1, fps), crf=18, metadata=metadata)
    starts = np.cumsum([0, *(frames for _, frames in shots)])
    return [int(start) for start in starts[:-1]]


def counting_frames(frames: int, size: tuple[int, int] = (64, 96)) -> Iterator[Picture]:
    """Pictures that say their number: sixteen bars, black or white, are its bits (read with `counted`)."""
    height, width = size
    columns = np.arange(width) * 16 // width
    for number in range(frames):
        bits = (number >> columns) & 1
        yield np.broadcast_to((bits * 215 + 20).astype(np.uint8), (3, height, width)).copy()


def counted(picture: Picture) -> int:
    """The number that a picture of `counting_frames` says, also after scaling."""
    width = picture.shape[2]
    centres = [(2 * bit + 1) * width // 32 for bit in range(16)]
    return sum(int(picture[:, :, x].mean() > 127) << bit for bit, x in enumerate(centres))


def write_stream(
    path: Path,
    frames: Iterable[Picture],
    *,
    fps: Fraction | int = 25,
    pts: Sequence[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
    color_range: int | None = None,
    colorspace: int | None = None,
    color_trc: int | None = None,
    color_primaries: int | None = None,
    timecode: str | None = None,
    reel: str | None = None,
    audio_s: float = 0.0,
) -> Path:
    """Write one video with whatever the test is about; more freedom than `vsearch.media.writer` gives.

    `pts` in ticks of `time_base` (default 1 / fps). `rotation` degrees clockwise are to be applied by players, after a
    horizontal flip where `mirrored`. `audio_s` seconds of silence go beside the pictures.
    """
    base = time_base or 1 / Fraction(fps)
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream: VideoStream | None = None
        for number, picture in enumerate(frames):
            if stream is None:
                stream = _video_stream(container, codec, picture, Fraction(fps), base, options or {})
                stream.pix_fmt = pixel_format
                context = stream.codec_context
                for name, value in (
                    ("color_range", color_range),
                    ("colorspace", colorspace),
                    ("color_trc", color_trc),
                    ("color_primaries", color_primaries),
                    ("sample_aspect_ratio", pixel_aspect),
                ):
                    if value is not None:
                        setattr(context, name, value)
                if rotation or mirrored:
                    stream.set_display_rotation(rotation if mirrored else -rotation, hflip=mirrored)
                if timecode:
                    stream.metadata["timecode"] = timecode
                if reel:
                    stream.metadata["reel_name"] = reel
                silence = container.add_stream("aac", rate=44100) if audio_s else None
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.transpose(1, 2, 0)), format="rgb24")
            frame = frame.reformat(
                format=pixel_format,
                src_color_range=2,
                dst_color_range=color_range or 1,
                dst_colorspace=colorspace if colorspace in (1, 5, 9) else 5,
            )
            frame.pts = number if pts is None else pts[number]
            frame.time_base = base
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("no frames")
        container.mux(stream.encode(None))
        if silence is not None:
            _write_silence(container, silence, audio_s)
    return path


def _video_stream(
    container: OutputContainer, codec: str, picture: Picture, fps: Fraction, base: Fraction, options: dict[str, str]
) -> VideoStream:
    stream = container.add_stream(codec, rate=fps, options=options)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = picture.shape[1:]
    stream.codec_context.time_base = base
    stream.codec_context.thread_count = 1
    if "g" in options:
        stream.codec_context.gop_size = int(options["g"])
    if container.format.flags & 0x0040:  # AVFMT_GLOBALHEADER
        stream.codec_context.flags |= Flags.global_header
    return stream


def _write_silence(container: OutputContainer, stream: object, seconds: float) -> None:
    assert isinstance(stream, av.AudioStream)
    total, written = int(44100 * seconds), 0
    while written < total:
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 44100, written, Fraction(1, 44100)
        container.mux(stream.encode(frame))
        written += 1024
    container.mux(stream.encode(None))


def audio_only(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as container:
        _write_silence(container, container.add_stream("aac", rate=44100), seconds)
    return path


def truncated(source: Path, path: Path, share: float) -> Path:
    """The first `share` of `source`'s bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
