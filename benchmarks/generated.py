"""Files made on the fly for measurements of time: their content only has to cost what real video costs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks import processes
from vsearch.media.writer import write_video

KEY_FRAMES_S = 10
ENCODED_S = 20


def one_frame_file(path: Path, *, seed: int = 0) -> Path:
    """A video of one frame, 320x180: what a program takes for it is its start-up."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (3, 9, 16), dtype=np.uint8)
    write_video(path, [coarse.repeat(20, axis=1).repeat(20, axis=2)], time_base=Fraction(1, 25))
    return path


def long_file(path: Path, *, parts: int, width: int = 1920, height: int = 1080, fps: int = 30) -> Path:
    """A noisy, moving picture in H.264 (about 5 Mbit/s), a key frame every 10 seconds, `parts` times `ENCODED_S` long.

    One part is encoded; the others are the same packets again, which cost a decoder the same. An existing file is kept.
    Raises BenchmarkError without the ffmpeg command.
    """
    if path.exists():
        return path
    part, unfinished = path.with_name(f"part-{path.name}"), path.with_name(f"unfinished-{path.name}")
    picture = f"testsrc2=size={width}x{height}:rate={fps},hue=H=t/9,noise=alls=8:allf=t"
    gop = KEY_FRAMES_S * fps
    coding = (
        f"-c:v libx264 -preset veryfast -crf 26 -pix_fmt yuv420p -g {gop} -keyint_min {gop} -sc_threshold 0".split()
    )
    ffmpeg = ("ffmpeg", "-nostdin", "-v", "error", "-y")
    processes.run([*ffmpeg, "-f", "lavfi", "-i", picture, "-t", str(ENCODED_S), *coding, part])
    processes.run([*ffmpeg, "-stream_loop", str(parts - 1), "-i", part, "-c", "copy", unfinished])
    part.unlink()
    unfinished.rename(path)
    return path
