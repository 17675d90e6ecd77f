"""Files made on the fly for measurements of time: their content only has to cost what real video costs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks import processes
from vsearch.media.writer import write_video

KEY_FRAMES_S = 10


def one_frame_file(path: Path, *, seed: int = 0) -> Path:
    """A video of one frame, 320x180: what a program takes for it is its start-up."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (3, 9, 16), dtype=np.uint8)
    write_video(path, [coarse.repeat(20, axis=1).repeat(20, axis=2)], time_base=Fraction(1, 25))
    return path


def long_file(path: Path, *, seconds: int, width: int = 1920, height: int = 1080, fps: int = 30) -> Path:
    """A noisy, moving picture in H.264 with a key frame every 10 seconds and none between, `seconds` long.

    At most a minute is encoded; the rest is the same packets again, which cost a decoder the same. An existing file is
    kept. Raises BenchmarkError without the ffmpeg command.
    """
    if path.exists():
        return path
    part_s = min(60, seconds)
    part, unfinished = path.with_name(f"part-{path.name}"), path.with_name(f"unfinished-{path.name}")
    picture = f"testsrc2=size={width}x{height}:rate={fps},hue=H=t/9,noise=alls=12:allf=t"
    gop = str(KEY_FRAMES_S * fps)
    coding = [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "23",
        "-g",
        gop,
        "-keyint_min",
        gop,
        "-sc_threshold",
        "0",
    ]
    ffmpeg = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    processes.run([*ffmpeg, "-f", "lavfi", "-i", picture, "-t", str(part_s), *coding, "-pix_fmt", "yuv420p", part])
    again = str(-(-seconds // part_s) - 1)
    processes.run([*ffmpeg, "-stream_loop", again, "-i", part, "-c", "copy", "-t", str(seconds), unfinished])
    part.unlink()
    unfinished.rename(path)
    return path
