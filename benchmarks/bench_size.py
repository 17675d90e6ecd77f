"""How much does a closed library grow per hour of video, and by what?

    python -m benchmarks size

Growth is the bytes of `library.db` of a closed library with the videos, less those of a closed library without any,
over the seconds of video decoded. The models' files and the FAISS cache do not grow with every hour alike: they are
reported apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import datasets, libraries, report
from benchmarks.datasets import Video
from benchmarks.report import BenchmarkError, Goal, Report, Table, say
from vsearch.library import Library
from vsearch.text import size as shown

NAME = "size"
QUESTION = "how much does a closed library grow per hour of video?"
LIMIT_MB_AN_HOUR = 5.0
EMBEDDINGS_MB_AN_HOUR = 0.55  # one int8 vector of 128 dimensions a second takes 0.46; first frames of shots come on top


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a closed library and what they are for. `growth`: `library.db` less that of an empty library."""

    seconds: float
    videos: int
    frames: int
    clips: int
    growth: int
    latents: int
    embeddings: int
    models: int
    cache: int

    @property
    def metadata(self) -> int:
        """Whatever of the growth is neither latents nor embeddings: rows, indices, times, and SQLite's own pages."""
        return self.growth - self.latents - self.embeddings

    def mb_an_hour(self, n_bytes: float) -> float:
        return n_bytes / 1e6 / (self.seconds / 3600)


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the libraries here")
    args = parser.parse_args(argv)

    corpus = datasets.corpus_folder(args.corpus)
    videos = datasets.dev_videos(corpus)
    if args.quick:
        videos = datasets.one_per_kind(videos, 4)
    with libraries.work_folder(args.work) as work:
        sizes, tables, models = measure(videos, work, codec=args.codec, head=args.head)
    finished = summary(
        sizes,
        tables,
        data=datasets.described(corpus, videos),
        seed=None,
        options=report.told(args, "quick") | models,
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def measure(
    videos: Sequence[Video], work: Path, *, codec: Path | None, head: Path | None
) -> tuple[Sizes, dict[str, int], dict[str, str]]:
    """Sizes of a library of the videos, bytes a database table (empty where SQLite can't tell), and its models."""
    empty = empty_library_bytes(work)
    folder = work / "library"
    with libraries.open_new(folder, codec=codec, head=head) as library:
        libraries.index_videos(library, videos)
        info, models = library.info(), libraries.models_of(library)
    closed, tables = database_bytes(folder), bytes_by_table(folder)
    with Library.open(folder) as library:
        say("searching once, which builds the cache")
        list(library.search([videos[0].path], k=1))
        cache = library.info()["bytes_cache"]
    sizes = Sizes(
        seconds=info["seconds_of_video"],
        videos=info["videos"],
        frames=info["frames"],
        clips=info["clips"],
        growth=closed - empty,
        latents=info["bytes_latents"],
        embeddings=info["bytes_embeddings"],
        models=info["bytes_models"],
        cache=cache,
    )
    return sizes, tables, models


def empty_library_bytes(work: Path) -> int:
    """Of a closed library that nothing was found for."""
    nothing = work / "nothing"
    nothing.mkdir(exist_ok=True)
    with Library.open(work / "empty-library", create=True) as library:
        library.index([nothing])
    return database_bytes(work / "empty-library")


def database_bytes(folder: Path) -> int:
    """Bytes of the database of a closed library. Raises BenchmarkError when it was not folded into one file."""
    beside = [path.name for path in folder.glob("library.db?*") if path.stat().st_size]
    if beside:
        raise BenchmarkError(f"{folder}: not closed, {', '.join(sorted(beside))} lies beside library.db")
    return (folder / "library.db").stat().st_size


def bytes_by_table(folder: Path) -> dict[str, int]:
    """Bytes of the pages of each table and index, largest first; empty where SQLite was built without `dbstat`."""
    address = (folder / "library.db").absolute().as_uri() + "?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            found = database.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC").fetchall()
    except sqlite3.OperationalError:
        return {}
    return {str(name): int(n_bytes) for name, n_bytes in found}


def summary(
    sizes: Sizes,
    tables: Mapping[str, int],
    *,
    data: Mapping[str, Any],
    seed: int | None,
    options: Mapping[str, Any],
) -> Report:
    """The finished report."""
    parts = {
        "latents": sizes.latents,
        "embeddings": sizes.embeddings,
        "metadata": sizes.metadata,
        "all told": sizes.growth,
    }
    rows = tuple(
        (
            name,
            shown(n_bytes),
            f"{n_bytes / sizes.frames:,.0f}",
            f"{n_bytes / sizes.videos:,.0f}",
            f"{sizes.mb_an_hour(n_bytes):.3f}",
        )
        for name, n_bytes in parts.items()
    )
    apart = (("models' files", shown(sizes.models)), ("FAISS cache", shown(sizes.cache)))
    figures = {
        "seconds_of_video": sizes.seconds,
        "videos": sizes.videos,
        "frames": sizes.frames,
        "clips": sizes.clips,
        "bytes": {**parts, "models": sizes.models, "cache": sizes.cache},
        "megabytes_an_hour": {name: sizes.mb_an_hour(n_bytes) for name, n_bytes in parts.items()},
        "bytes_a_frame": {name: n_bytes / sizes.frames for name, n_bytes in parts.items()},
        "metadata_bytes_a_video": sizes.metadata / sizes.videos,
        "bytes_by_table": dict(tables),
    }
    title = f"growth over {sizes.seconds:,.0f} s of video: {sizes.videos} videos, {sizes.frames} frames"
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures=figures,
        goals=(
            Goal.at_most("MB an hour of video, all told", sizes.mb_an_hour(sizes.growth), LIMIT_MB_AN_HOUR),
            Goal.at_most("MB an hour, embeddings", sizes.mb_an_hour(sizes.embeddings), EMBEDDINGS_MB_AN_HOUR),
        ),
        tables=(
            Table(title, ("", "bytes", "a frame", "a video", "MB an hour"), rows),
            Table("not growing with the hours alike", ("", "bytes"), apart),
        ),
        notes=("Metadata is what remains of the growth of library.db; it falls per hour where videos are longer.",),
    )
