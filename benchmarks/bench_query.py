"""How long does a query take with a million frames in the library, from the command line and in a running process?

    python -m benchmarks query [--frames 1000000] [--queries 10] [--library DIR]

A real library is filled up with invented videos after its own (benchmarks/imitated.py) and stays a real one: SQLite,
its index built as any search builds it. Ten-second excerpts of its real videos are asked by `vsearch search --json`,
each by a process of its own, then all by one (`search -`). What decoding alone takes is measured beside them.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets, excerpts, imitated, libraries, processes, report
from benchmarks.environment import ROOT
from benchmarks.excerpts import Excerpt
from benchmarks.imitated import Imitation
from benchmarks.processes import VSEARCH
from benchmarks.report import BenchmarkError, Goal, Report, Table, say, spread
from vsearch.config import IndexConfig, ReadConfig
from vsearch.db.store import Store
from vsearch.extract import extract, quantise
from vsearch.library import Library
from vsearch.media.isolated import DecodeProcess
from vsearch.models import load_codec, load_head, shipped_codec, shipped_head
from vsearch.records import Clip, ContentIdentity, EmbeddingBlock, FileStamp, IndexedVideo, PathSighting, Shot
from vsearch.search.asking import DENSITIES

NAME = "query"
QUESTION = "how long does a query take with a million frames in the library?"
LENGTH_S = 10.0
LEAST_S = 11.0
CLIP_FRAMES = 10
BLOCK_FRAMES = 4096


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--frames", type=int, help="in the library [1000000; quick: 3000]")
    parser.add_argument("--queries", type=int, help="excerpts that are asked [10; quick: 2]")
    parser.add_argument("--library", type=Path, metavar="DIR", help="keep the library here; one that is there is used")
    args = parser.parse_args(argv)
    args.frames = args.frames or (3000 if args.quick else 1_000_000)
    args.queries = args.queries or (2 if args.quick else 10)
    corpus = datasets.corpus_folder(args.corpus)
    videos = datasets.dev_videos(corpus)
    if args.quick:
        videos = sorted(videos, key=lambda video: video.duration_s)[-6:]

    with libraries.work_folder(None) as work:
        folder = (args.library or work / "library").absolute()
        if not folder.exists():
            with libraries.open_new(folder, codec=args.codec, head=args.head) as library:
                library.index([video.path for video in videos], IndexConfig(quality_check=False))
            fill(folder, args.frames, template=extracted(videos[0].path, args.codec, args.head), seed=args.seed)
        cuts = excerpts.choose(videos, inside=args.queries, outside=0, seed=args.seed, least_s=LEAST_S).inside
        asked = [
            excerpts.write_excerpt(cut, work / f"{number}.mp4", length_s=LENGTH_S) for number, cut in enumerate(cuts)
        ]
        figures = measure(folder, asked)
    finished = summary(
        figures,
        data=datasets.described(corpus, videos),
        seed=args.seed,
        options=report.told(args, "frames", "queries", "quick"),
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def extracted(path: Path, codec_folder: Path | None, head_folder: Path | None) -> IndexedVideo:
    """A real record, after which invented ones are made."""
    config = IndexConfig(pictures=False)
    with DecodeProcess(config.read) as decoder:
        codec, head = load_codec(codec_folder or shipped_codec()), load_head(head_folder or shipped_head())
        return extract(bytes(path), config=config, codec=codec, head=head, decoder=decoder)


def fill(folder: Path, frames: int, *, template: IndexedVideo, seed: int) -> None:
    """Add invented videos of a quarter of an hour, a frame a second, until the library has so many frames."""
    say(f"inventing videos up to {frames:,} frames")
    imitation = Imitation(imitated.real_clips(folder))
    with Store.open(folder, writable=True) as store:
        head_id = str(store.meta().active_head)
        missing = frames - sum(len(store.timeline(video_id).pts) for video_id in store.video_ids())
        for number in range(-(-missing // imitated.VIDEO_FRAMES)):
            vectors = imitation.video(np.random.default_rng((seed, number)), imitated.VIDEO_FRAMES)
            name = f"invented/{number:05d}.mp4"
            video = invented(template, quantise(vectors), head_id, name)
            store.add_video(video, PathSighting("invented", "invented", b"/invented", name.encode(), name, video.stamp))


def invented(
    template: IndexedVideo, vectors: tuple[np.ndarray[Any, np.dtype[np.int8]], float], head_id: str, name: str
) -> IndexedVideo:
    """A video without pictures, a frame a second, cut every ten seconds."""
    values, scale = vectors
    second = round(1 / template.info.time_base)
    pts = second * np.arange(len(values), dtype=np.int64)
    edges = [*range(0, len(values), CLIP_FRAMES), len(values)]
    digest = name.encode().rjust(32, b"\0")[-32:]
    return replace(
        template,
        identity=ContentIdentity(len(values), digest[-16:], digest),
        stamp=FileStamp(len(values), 1, 0),
        start_pts=0,
        end_pts=second * len(values),
        frame_pts=pts,
        shots=(Shot(0, second * len(values), "start", 1.0),),
        clips=tuple(Clip(second * start, second * stop, 0) for start, stop in pairwise(edges)),
        chunks=(),
        embeddings=tuple(
            EmbeddingBlock(head_id, at, part, scale, np.zeros(len(part), np.bool_))
            for at in range(0, len(values), BLOCK_FRAMES)
            for part in (values[at : at + BLOCK_FRAMES],)
        ),
    )


def measure(folder: Path, asked: Sequence[Excerpt]) -> dict[str, Any]:
    """Wall seconds of single commands, of a running process and of decoding alone; and what was found."""
    say("building the index, or opening it, with a first query")
    command = (*VSEARCH, "search", "--json", "--library", folder)
    first = processes.run((*command, asked[0].path)).wall_s
    say(f"asking {len(asked)} queries, each by a process of its own")
    alone = [processes.run((*command, excerpt.path)) for excerpt in asked]
    say("asking them in one process")
    warm = running(command, asked)
    decoding = [decoding_s(excerpt.path) for excerpt in asked]
    found = [json.loads(one.stdout)["hits"][:1] for one in alone]
    right = sum(
        bool(hits) and Path(hits[0]["video"]).name == excerpt.video.path.name
        for hits, excerpt in zip(found, asked, strict=True)
    )
    with Library.open(folder) as library:
        info = library.info()
    return {
        "library": {name: info[name] for name in ("videos", "frames", "index") if name in info},
        "first_query_s": first,
        "command_s": spread([one.wall_s for one in alone]),
        "running_s": spread(warm),
        "decoding_s": spread(decoding),
        "running_beyond_decoding_s": spread([whole - part for whole, part in zip(warm, decoding, strict=True)]),
        "right": right,
        "queries": len(asked),
    }


def running(command: Sequence[str | Path], asked: Sequence[Excerpt]) -> list[float]:
    """Seconds from handing a name to one warm process until its line is there; the first one, asked twice, is left out.

    Raises BenchmarkError when the process ends early.
    """
    with subprocess.Popen(
        [*map(str, command), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        elapsed = []
        for excerpt in (asked[0], *asked):
            began = time.perf_counter()
            process.stdin.write(f"{excerpt.path}\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise BenchmarkError("vsearch search - ended early")
            elapsed.append(time.perf_counter() - began)
        process.stdin.close()
    return elapsed[1:]


def decoding_s(path: Path) -> float:
    """Seconds that a running child process takes to decode and scale the frames of a query, as a search asks for
    them."""
    config = ReadConfig(fps=DENSITIES[0][1])
    with DecodeProcess(config) as decoder:
        for _ in range(2):  # the first one starts the process
            began = time.perf_counter()
            with decoder.read(bytes(path), config, identify=False) as stream:
                for _batch in stream:
                    pass
            elapsed = time.perf_counter() - began
    return elapsed


def summary(figures: dict[str, Any], *, data: dict[str, Any], seed: int, options: dict[str, Any]) -> Report:
    """The finished report."""
    told = {
        "a command of its own": "command_s",
        "in a running process": "running_s",
        "decoding alone": "decoding_s",
        "in a running process, beyond decoding": "running_beyond_decoding_s",
    }
    rows = tuple(
        (name, *(f"{figures[key][part]:.2f}" for part in ("median", "min", "max"))) for name, key in told.items()
    )
    title = (
        f"seconds of a ten-second query; {figures['right']} of {figures['queries']} find their video first; the very "
        f"first query, which builds or opens the index, takes {figures['first_query_s']:.1f} s"
    )
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures=figures,
        goals=(
            Goal.at_most("seconds of a command, median", figures["command_s"]["median"], 3.0),
            Goal.at_most(
                "seconds in a running process beyond decoding, median",
                figures["running_beyond_decoding_s"]["median"],
                0.3,
            ),
        ),
        tables=(Table(title, ("", "median", "fastest", "slowest"), rows),),
    )
