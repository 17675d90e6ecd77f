"""The library that a program measures: made by the run from the videos it names, or one that is kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.datasets import Video
from benchmarks.report import BenchmarkError, say
from vsearch.library import Library
from vsearch.text import counted, span

if TYPE_CHECKING:
    from vsearch.indexer.report import IndexReport


@contextmanager
def work_folder(kept: Path | None) -> Iterator[Path]:
    """`kept`, made if needed and left afterwards; without one a temporary folder."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with TemporaryDirectory(prefix="vsearch-benchmark-") as folder:
        yield Path(folder)


def open_new(folder: Path, *, codec: Path | None, head: Path | None) -> Library:
    """A library in `folder`, which the first `index` makes."""
    return Library.open(folder, create=True, codec=codec, head=head)


def models_of(library: Library) -> dict[str, str]:
    """The identities of the models that it indexes with, for the result."""
    info = library.info()
    return {name: info[f"active_{name}"] for name in ("codec", "head")}


def index_videos(library: Library, videos: Sequence[Video]) -> IndexReport:
    """Index exactly these videos with the default settings.

    Raises BenchmarkError when one of them fails, or when the library holds others.
    """
    say(f"indexing {counted(len(videos), 'video')} ({span(sum(video.duration_s for video in videos))})")
    report = library.index([video.path for video in videos])
    if report.failed:
        first = report.failed[0].as_json()
        raise BenchmarkError(
            f"{counted(len(report.failed), 'video')} could not be indexed; {first['path']}: {first['reason']}"
        )
    others = {entry["path"] for entry in library.list()} - {str(video.path) for video in videos}
    if others:
        raise BenchmarkError(f"{library.folder} holds other videos ({sorted(others)[0]}): name an empty folder")
    return report


def names_hash(videos: Sequence[Video]) -> str:
    """A short name for a set of videos."""
    return hashlib.blake2b("\n".join(sorted(video.name for video in videos)).encode(), digest_size=6).hexdigest()
