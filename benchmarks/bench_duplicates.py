"""Are copies among many videos found, strangers not paired, and what does it cost at a million frames?

    python -m benchmarks duplicates [--copies 60] [--frames 50000,200000,1000000]

*Quality*: dev and generated copies of it (benchmarks/edited_copies.py) are indexed, and `Library.duplicates` asked at
its default threshold. *Cost*: mixtures of real embeddings (benchmarks/large_libraries.py) with known copies.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import datasets, libraries, report
from benchmarks.datasets import Video
from benchmarks.edited_copies import EDITS, Copy, choose_sources, write_copies
from benchmarks.large_libraries import HEAD, Vectors, mixed_library
from benchmarks.report import BenchmarkError, Goal, Report, Table, say
from benchmarks.score_duplicates import Known, PairScore, score_pairs
from vsearch.config import IndexConfig
from vsearch.db.store import Store
from vsearch.library import Library
from vsearch.search.duplicates import Bar, find_duplicates
from vsearch.search.gallery import Gallery

NAME = "duplicates"
QUESTION = "are copies among many videos found, and strangers not paired?"
STEEPEST = 1.8  # of CPU time over frames, on logarithmic axes: 2 is quadratic


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--copies", type=int, help="generated copies [60; quick: 6]")
    parser.add_argument("--frames", help="sizes of mixed libraries [50000,200000,1000000; quick: 5000,20000]")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the library and the copies here")
    args = parser.parse_args(argv)
    args.copies = args.copies or (6 if args.quick else 60)
    args.frames = args.frames or ("5000,20000" if args.quick else "50000,200000,1000000")
    sizes = [int(size) for size in args.frames.split(",")]

    corpus = datasets.corpus_folder(args.corpus)
    videos = datasets.dev_videos(corpus)
    if args.quick:
        videos = datasets.one_per_kind(videos, 2 * args.copies)
    with (
        libraries.work_folder(args.work) as work,
        libraries.open_new(work / "library", codec=args.codec, head=args.head) as library,
    ):
        say(f"encoding {args.copies} copies")
        copies = write_copies(choose_sources(videos, args.copies, seed=args.seed), work / "copies")
        index_all(library, videos, copies)
        models = libraries.models_of(library)
        quality = measure_quality(library, videos, copies)
        tracks = real_tracks(library)
    cost = [measure_cost(tracks, frames, seed=args.seed) for frames in sizes]
    told = report.told(args, "copies", "frames", "quick")
    finished = summary(
        quality, cost, data=datasets.described(corpus, videos), seed=args.seed, options={**told, **models}
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def index_all(library: Library, videos: Sequence[Video], copies: Sequence[Copy]) -> None:
    """Raises BenchmarkError when one of them fails."""
    say(f"indexing {len(videos) + len(copies)} videos")
    paths = [*(video.path for video in videos), *(copy.path for copy in copies)]
    found = library.index(paths, IndexConfig(quality_check=False, effort="fast"))  # neither touches embeddings
    if found.failed:
        first = found.failed[0].as_json()
        raise BenchmarkError(f"{first['path']}: {first['reason']}")


def measure_quality(library: Library, videos: Sequence[Video], copies: Sequence[Copy]) -> dict[str, Any]:
    """The score of the pairs that `duplicates` gives, and whether the originals are named as best."""
    say("comparing the library with itself")
    known = {str(video.path): Known(video.name, video.group, video.scene) for video in videos}
    sources = {}
    for copy in copies:
        name = f"{copy.edit} of {copy.source.name}"
        known[str(copy.path)] = Known(name, copy.source.group, copy.source.scene, copy.edit)
        sources[name] = copy.source.name
    began, began_cpu = time.perf_counter(), time.process_time()
    found = library.duplicates()
    elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    names = {video["video_id"]: known[video["video"]].name for group in found["groups"] for video in group["videos"]}
    pairs = [(names[pair["a"]], names[pair["b"]]) for group in found["groups"] for pair in group["pairs"]]
    kept = {names[group["best"]] for group in found["groups"]}
    beside = [
        source for copy, source in sources.items() if tuple(sorted((copy, source))) in {tuple(sorted(p)) for p in pairs}
    ]
    return {
        "score": score_pairs(list(known.values()), pairs, sources),
        "relations": relations(found, names, sources),
        "copies_kept_instead_of_originals": sorted(kept & set(sources)),
        "copies_found_with_originals": len(beside),
        "threshold": found["threshold"],
        "groups": len(found["groups"]),
        "seconds": elapsed_s,
        "cpu_seconds": cpu_s,
    }


def relations(found: dict[str, Any], names: dict[int, str], sources: dict[str, str]) -> dict[str, dict[str, int]]:
    """By edit, how copies are said to be related to their originals."""
    counted: dict[str, dict[str, int]] = {}
    for pair in (pair for group in found["groups"] for pair in group["pairs"]):
        one, other = names[pair["a"]], names[pair["b"]]
        copy = next((a for a, b in ((one, other), (other, one)) if sources.get(a) == b), None)
        if copy is not None:
            of_edit = counted.setdefault(copy.partition(" of ")[0], {})
            of_edit[pair["relation"]] = of_edit.get(pair["relation"], 0) + 1
    return counted


def real_tracks(library: Library) -> list[Vectors]:
    """The informative vectors of every video, those of less than three left out."""
    with Store.open(library.folder, writable=False) as store:
        head = store.meta().active_head or ""
        tracks = [track.vectors for track in Gallery(store, head).tracks(store.video_ids())]
    return [vectors for vectors in tracks if len(vectors) >= 3]


def measure_cost(tracks: Sequence[Vectors], frames: int, *, seed: int) -> dict[str, Any]:
    """What comparing a mixed library with itself takes. Times are of one run; CPU time is less disturbed by others."""
    say(f"comparing {frames:,} frames")
    library = mixed_library(tracks, frames, seed=seed)
    gallery = Gallery(library, HEAD)
    began, began_cpu = time.perf_counter(), time.process_time()
    found = find_duplicates(gallery, Bar(floor=0.6, threshold=0.6), recurring=20)
    elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    given = {(pair.a, pair.b) for pair in found.pairs}
    return {
        "frames": library.frames,
        "videos": len(library.blocks),
        "copies": len(library.copies),
        "copies_found": len(library.copies & given),
        "other_pairs": len(given - library.copies),
        "aligned": found.aligned,
        "seconds": elapsed_s,
        "cpu_seconds": cpu_s,
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def slopes(cost: Sequence[dict[str, Any]]) -> list[float]:
    """How CPU time grows with frames from one size to the next: the exponent."""
    return [
        math.log(after["cpu_seconds"] / before["cpu_seconds"]) / math.log(after["frames"] / before["frames"])
        for before, after in pairwise(cost)
    ]


def summary(
    quality: dict[str, Any], cost: Sequence[dict[str, Any]], *, data: dict[str, Any], seed: int, options: dict[str, Any]
) -> Report:
    """The finished report."""
    score: PairScore = quality["score"]
    grown = slopes(cost)
    counts = {"right": score.right, "wrong": score.wrong, "neutral": score.neutral}
    figures = {
        "quality": {
            **quality,
            "score": {
                **counts,
                "precision": score.precision,
                "recall": score.recall,
                "wanted": dict(score.wanted),
                "found": dict(score.found),
                "missed": [list(pair) for pair in score.missed],
                "false": [list(pair) for pair in score.false],
            },
        },
        "cost": {"sizes": list(cost), "exponents": grown},
    }
    goals = [
        Goal.at_least("pair precision", score.precision, 0.99),
        Goal.at_least("pair recall", score.recall, 0.9),
        *(Goal.at_most("steepest growth of CPU time with frames (exponent)", max(grown), STEEPEST) for _ in grown[:1]),
    ]
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures=figures,
        goals=tuple(goals),
        tables=(kinds_table(score, quality), cost_table(cost)),
        notes=(
            "Lookalikes (another group of the same scene) count neither way. Groups may hold excerpts of one film that "
            "do not overlap: their pairs count as missed.",
            "Mixed libraries are read from memory, not from a database.",
        ),
    )


def kinds_table(score: PairScore, quality: dict[str, Any]) -> Table:
    rows = []
    for name in (*EDITS, "others of one group"):
        told = ", ".join(f"{n} {relation}" for relation, n in sorted(quality["relations"].get(name, {}).items()))
        if score.wanted.get(name):
            rows.append((name, f"{score.found.get(name, 0)} of {score.wanted[name]}", told or "-"))
    title = (
        f"pairs found at {quality['threshold']:g}: {score.right} right, {score.wrong} wrong, {score.neutral} lookalikes"
    )
    return Table(title, ("", "found", "said to be"), tuple(rows))


def cost_table(cost: Sequence[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            f"{one['frames']:,}",
            f"{one['videos']:,}",
            f"{one['copies_found']:,} of {one['copies']:,}",
            f"{one['other_pairs']:,}",
            f"{one['aligned']:,}",
            f"{one['seconds']:.1f}",
            f"{one['cpu_seconds']:.1f}",
            f"{one['peak_memory_bytes'] / 1e9:.2f}",
        )
        for one in cost
    )
    head = ("frames", "videos", "copies found", "other pairs", "aligned", "seconds", "CPU s", "peak GB")
    return Table("a library compared with itself", head, rows)
