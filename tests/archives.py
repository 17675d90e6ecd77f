"""Folders of small real videos and libraries of them, with the tiny models."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests import tiny_models, videos
from vsearch.library import Library

SMALL = (80, 128)


@cache
def tiny_folders() -> tuple[Path, Path]:
    """The tiny codec and head, written once a process."""
    return tiny_models.write_tiny_models(Path(mkdtemp(prefix="vsearch-tiny-")))


def open_tiny(folder: Path) -> Library:
    """The library in `folder`, made by its first `index`, with the tiny models."""
    codec, head = tiny_folders()
    return Library.open(folder, create=True, codec=codec, head=head)


def make_video(path: Path, scene: int, *, seconds: float = 2.0, shots: int = 2) -> Path:
    """A video of `shots` scenes, numbered from `scene`; two videos with the same arguments are the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = round(seconds * 10)
    videos.cuts_video(path, [(scene + i, frames) for i in range(shots)], fps=10, size=SMALL)
    return path


def make_archive(folder: Path, names: list[str]) -> Path:
    """A folder with a different video under each name."""
    for number, name in enumerate(names):
        make_video(folder / name, 10 * number)
    return folder
