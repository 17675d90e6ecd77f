"""Whole videos as they are handed on: encoded again, scaled, cropped, recoloured, cut short, letterboxed.

The edits are weak on purpose: what `duplicates` is asked is which files of a collection belong together.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.datasets import Video
from benchmarks.report import BenchmarkError

LONGEST_S = 600.0

EVEN = "trunc({}/2)*2"
EDITS: Mapping[str, tuple[str, int]] = {  # name -> (ffmpeg's filter, CRF of H.264)
    "re-encoded": ("null", 35),
    "scaled to half": (f"scale={EVEN.format('iw*0.5')}:{EVEN.format('ih*0.5')}:flags=area", 26),
    "cropped to 80%": (f"crop={EVEN.format('iw*0.8')}:{EVEN.format('ih*0.8')}", 26),  # of each side
    "recoloured": ("eq=brightness=0.08:contrast=1.25:saturation=1.6,hue=h=15", 26),
    "middle half": ("null", 26),  # of its length
    "letterboxed": (f"scale=iw:{EVEN.format('ih*0.75')}:flags=area,pad=iw:{EVEN.format('ih/0.75')}:0:(oh-ih)/2", 26),
}
EXCERPT = "middle half"


@dataclass(frozen=True, slots=True)
class Copy:
    """A generated file: `edit` of `source`."""

    source: Video
    edit: str
    path: Path


def choose_sources(videos: Sequence[Video], n: int, *, seed: int) -> list[Video]:
    """One video each of n groups, drawn at random. Raises BenchmarkError when there are fewer groups."""
    groups: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        groups[video.group].append(video)
    if len(groups) < n:
        raise BenchmarkError(f"there are {len(groups)} groups, not the {n} asked for")
    random = Random(seed)
    return [random.choice(groups[group]) for group in random.sample(sorted(groups), n)]


def write_copies(sources: Sequence[Video], folder: Path) -> list[Copy]:
    """A copy of each source, the edits taking turns. Files that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    turns = [list(EDITS)[number % len(EDITS)] for number in range(len(sources))]
    copies = [
        Copy(source, edit, folder / f"{number:03d}-{edit.replace(' ', '-').replace('%', '')}.mp4")
        for number, (source, edit) in enumerate(zip(sources, turns, strict=True))
    ]
    for copy in copies:
        if not copy.path.exists():
            write_copy(copy)
    return copies


def write_copy(copy: Copy) -> None:
    """Encode it with ffmpeg's libx264, without sound. Raises BenchmarkError when ffmpeg is missing or fails."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise BenchmarkError("ffmpeg is missing: install it to make edited copies")
    filters, crf = EDITS[copy.edit]
    length = copy.source.duration_s
    part = ["-ss", f"{length / 4:.3f}", "-t", f"{length / 2:.3f}"] if copy.edit == EXCERPT else []
    made = copy.path.with_suffix(".part.mp4")
    command = [program, "-nostdin", "-v", "error", "-y", "-i", str(copy.source.path), *part, "-map", "0:v:0"]
    command += ["-vf", f"{filters},crop={EVEN.format('iw')}:{EVEN.format('ih')}", "-pix_fmt", "yuv420p"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), str(made)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{copy.source.name}: ffmpeg took longer than {LONGEST_S:g} s") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise BenchmarkError(f"{copy.source.name}, {copy.edit}: ffmpeg failed: {last[0]}")
    made.replace(copy.path)
