"""What people keep instead of latents: a proxy of one frame a second, by ffmpeg's H.264, H.265 and AV1 encoders."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import BenchmarkError

LONGEST_S = 300.0
TO_YUV = "scale=flags=bicubic+accurate_rnd+full_chroma_inp:out_color_matrix=bt601:out_range=tv,format=yuv420p"
TO_RGB = "scale=flags=bicubic+accurate_rnd+full_chroma_int:in_color_matrix=bt601:in_range=tv,format=rgb24"
IVF_HEADER, IVF_FRAME_HEADER = 32, 12


def plain_bytes(data: bytes) -> int:
    """Of an elementary stream: all of them."""
    return len(data)


def ivf_payload_bytes(data: bytes) -> int:
    """Bytes of the frames in an IVF file, without the headers of the file and of each frame.

    Raises ValueError for bytes that are no whole IVF file.
    """
    if data[:4] != b"DKIF" or len(data) < IVF_HEADER:
        raise ValueError("not an IVF file")
    found, position = 0, int.from_bytes(data[6:8], "little")
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        position += IVF_FRAME_HEADER + size
        if position > len(data):
            raise ValueError(f"an IVF frame of {size} bytes ends behind the file")
        found += size
    return found


@dataclass(frozen=True, slots=True)
class MovingCoder:
    """A video encoder of ffmpeg with its settings, on one thread. A higher `crf` means fewer bytes.

    form: what the stream is written and read as; count: its bytes without a container.
    """

    name: str
    encoder: str
    form: str
    settings: Sequence[str]
    count: Callable[[bytes], int] = field(default=plain_bytes)

    def code(self, frames: NDArray[np.uint8], crf: int) -> tuple[int, NDArray[np.uint8]]:
        """frames: (n, 3, H, W) uint8 RGB, one a second -> bytes of the elementary stream, and the n pictures that it
        decodes to. Raises BenchmarkError when ffmpeg fails.
        """
        data = self.encode(frames, crf)
        return self.count(data), self.decode(data, frames.shape)

    def encode(self, frames: NDArray[np.uint8], crf: int) -> bytes:
        """frames: (n, 3, H, W) uint8 RGB, one a second -> the stream."""
        height, width = frames.shape[2:]
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "1", "-i", "pipe:0"]
        coded = ["-vf", TO_YUV, "-c:v", self.encoder, "-crf", str(crf), *self.settings, "-f", self.form, "pipe:1"]
        return ffmpeg([*source, *coded], np.ascontiguousarray(frames.transpose(0, 2, 3, 1)).tobytes())

    def decode(self, data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The stream -> its pictures, uint8 RGB of `shape`: (n, 3, H, W). Raises BenchmarkError for another number."""
        shown = ["-fps_mode", "passthrough", "-vf", TO_RGB, "-f", "rawvideo", "pipe:1"]
        raw = ffmpeg(["-f", self.form, "-threads", "1", "-i", "pipe:0", *shown], data)
        n, channels, height, width = shape
        if len(raw) != n * channels * height * width:
            raise BenchmarkError(f"{self.name} gave back {len(raw)} bytes of pictures, not {n} of {width}x{height}")
        pictures = np.frombuffer(raw, np.uint8).reshape(n, height, width, channels)
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


X264 = MovingCoder(
    "x264 veryslow",
    "libx264",
    "h264",
    # the last one leaves out the comment in which x264 lists its settings, 700 bytes a stream
    ("-preset", "veryslow", "-threads", "1", "-bsf:v", "filter_units=remove_types=6"),
)
X265 = MovingCoder(
    "x265 slow",
    "libx265",
    "hevc",
    ("-preset", "slow", "-x265-params", "pools=none:frame-threads=1:info=0:log-level=error"),
)
SVT_AV1 = MovingCoder(
    "SVT-AV1 preset 4",
    "libsvtav1",
    "ivf",
    ("-preset", "4", "-g", "250", "-svtav1-params", "lp=1"),
    ivf_payload_bytes,
)

MOVING = (X264, X265, SVT_AV1)


def ffmpeg(arguments: Sequence[str], given: bytes) -> bytes:
    """What ffmpeg writes to its standard output. Raises BenchmarkError when it is absent, fails or takes too long."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise BenchmarkError("ffmpeg is missing: install it, or leave its encoders out with --peers jpeg,webp,avif")
    command = [program, "-nostdin", "-hide_banner", "-v", "error", *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"ffmpeg took longer than {LONGEST_S:g} s: {' '.join(arguments)}") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise BenchmarkError(f"ffmpeg failed ({last[0]}): {' '.join(arguments)}")
    return done.stdout
