"""A corpus of generated videos, in the form of the real one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets import Video
from tests import videos

FPS = 12
SIZE = (144, 192)


def write_corpus(folder: Path, *, groups: int, seconds: float = 8.0, copies: Sequence[int] = ()) -> Path:
    """A folder with `dev.jsonl`: one video a group, of a camera that crosses from one scene to another.

    copies: numbers of groups that get a second video, of the same footage at half the size.
    """
    (folder / "dev").mkdir(parents=True)
    lines = []
    for group in range(groups):
        for copy in range(2 if group in copies else 1):
            name = f"dev/{group:03d}{'ab'[copy]}.mp4"
            size = SIZE if not copy else (SIZE[0] // 2, SIZE[1] // 2)
            write_footage(folder / name, group, seconds=seconds, size=size)
            lines.append(manifest_line(name, group, seconds, size))
    (folder / "dev.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_footage(path: Path, group: int, *, seconds: float, size: tuple[int, int] = SIZE) -> Path:
    """Two shots of scenes that no other group shows."""
    half = round(seconds * FPS / 2)
    videos.cuts_video(path, [(1000 + 2 * group, half), (1001 + 2 * group, half)], fps=FPS, size=size, speed=2.0)
    return path


def manifest_line(name: str, group: int, seconds: float, size: tuple[int, int]) -> str:
    height, width = size
    fields = {"file": name, "duration": seconds, "width": width, "height": height, "kind": f"kind {group % 2}"}
    return json.dumps({**fields, "group": f"g{group}", "scene": f"s{group}"})


def video(name: str, *, group: str | None = None, scene: str | None = None, duration_s: float = 10.0) -> Video:
    """A line of a manifest without a file."""
    own = group or name
    return Video(name, Path("/nowhere") / name, duration_s, 64, 48, "kind", own, scene or own)
