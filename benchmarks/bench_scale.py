"""How fast, how exact and how large is the index of a million frames, and of ten million, beside bare FAISS?

    python -m benchmarks scale --n 1_000_000 --n 10_000_000 [--library DIR] [--kind ivf] [--work DIR]

The frames imitate those of a real library (`benchmarks/imitated.py`): of the one named, else of one made of `dev`. The
index is built, opened, searched, filtered and changed through `search.cache.open_index`, as a library's is.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets, libraries, report
from benchmarks.environment import ROOT
from benchmarks.imitated import HEAD, VIDEO_FRAMES, ImitatedLibrary, Imitation, frame_ids, real_clips
from benchmarks.report import Goal, Report, Table, say
from vsearch.metrics import ann_recall_at_k
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.faiss_package import faiss
from vsearch.search.ann.files import read_header
from vsearch.search.ann.measure import turned
from vsearch.search.cache import index_path, open_index
from vsearch.search.gallery import Gallery

NAME = "scale"
QUESTION = "how fast, how exact and how large is the index of millions of frames, beside bare FAISS?"
K = 10
QUERIES = 500  # for recall
TIMED = 200  # single queries, each after the same one was asked of bare FAISS, and the other way about
BATCH = 40  # a query of ten seconds, at four frames a second
EDITS = (0.7, 0.95)  # cosines of an edited copy's frame with the original
SHARES = (0.5, 0.01, 0.0001)  # of the frames that a filter leaves
CHANGED = 0.01
WARM_UP = 2

Search = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.int64]]]
Asking = tuple[Search, NDArray[np.float32]]  # a search, and the queries as it takes them


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--n", type=int, action="append", metavar="FRAMES", help="how many [1,000,000; quick: 20,000]")
    parser.add_argument("--library", type=Path, metavar="DIR", help="whose vectors are imitated [one made of dev]")
    parser.add_argument("--kind", default="auto", help="of index [%(default)s: what suits the number of frames]")
    parser.add_argument("--memory", type=int, default=2 << 30, metavar="BYTES", help="for the index [%(default)s]")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep what is made")
    args = parser.parse_args(argv)
    args.n = args.n or [20_000 if args.quick else 1_000_000]

    with libraries.work_folder(args.work) as work:
        clips = real_clips(args.library or dev_library(work, args))
        imitation = Imitation(clips)
        data = {"real_clips": len(clips), "real_frames": sum(map(len, clips)), **likeness(clips, imitation, args.seed)}
        figures = {f"{n}": measure(imitation, n, work / f"{n}", args) for n in args.n}
    options = report.told(args, "n", "kind", "memory", "library")
    report.publish(summary(figures, data, args.seed, options), report.output_path(NAME, args))
    return 0


def dev_library(work: Path, args: Namespace) -> Path:
    """A library of the corpus's dev part."""
    corpus = datasets.corpus_folder(args.corpus)
    with libraries.open_new(work / "library", codec=args.codec, head=args.head) as library:
        libraries.index_videos(library, datasets.dev_videos(corpus))
    return work / "library"


def likeness(clips: Sequence[NDArray[np.float32]], imitation: Imitation, seed: int) -> dict[str, Any]:
    """How near the first and the tenth neighbours are among the real vectors, and among as many imitated ones."""
    n = sum(map(len, clips))
    made = imitation.video(np.random.default_rng(seed), n)
    return {"neighbours_real": _neighbours(np.concatenate(clips)), "neighbours_imitated": _neighbours(made)}


def _neighbours(vectors: NDArray[np.float32]) -> dict[str, list[float]]:
    scores, _ = faiss.knn(vectors, vectors, 11, metric=faiss.METRIC_INNER_PRODUCT)
    return {f"cosine_of_{k}": np.quantile(scores[:, k], (0.25, 0.5, 0.75)).tolist() for k in (1, 10)}


def measure(imitation: Imitation, n: int, work: Path, args: Namespace) -> dict[str, Any]:
    """Everything about one number of frames."""
    work.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    say(f"inventing {n:,} frames")
    library = ImitatedLibrary(imitation, n, file=work / "vectors", spare=int(2 * CHANGED * n), seed=args.seed)
    gallery, folder = Gallery(library, HEAD), work / "cache"
    opening: dict[str, Any] = {"d": library.d, "kind": args.kind, "memory_bytes": args.memory}

    say("building the index")
    started, cpu_started = time.perf_counter(), time.process_time()
    open_index(gallery, folder, **opening)
    figures: dict[str, Any] = {
        "frames": len(library),
        "build_seconds": time.perf_counter() - started,
        "build_cpu_seconds": time.process_time() - cpu_started,
    }
    gc.collect()
    started = time.perf_counter()
    index = open_index(gallery, folder, **opening)
    header = read_header(index_path(folder, HEAD))
    figures |= {"open_seconds": time.perf_counter() - started, "file_bytes": header.size, "kind": header.kind}
    figures["facts"] = dict(header.facts)

    say("finding the true neighbours")
    queries = edited(library, rng)
    chosen = {share: filtered(library, share, rng) for share in SHARES}
    truth = nearest(library, queries, [None, *chosen.values()])
    say("searching")
    figures["ann_recall_at_10"] = ann_recall_at_k(index.search(queries, K)[1], truth[0])
    ours: Asking = (lambda some: index.search(some, K)), queries
    bare = bare_search(index, queries)
    figures["bare_ann_recall_at_10"] = ann_recall_at_k(index.ids()[bare[0](bare[1])[1]], truth[0])
    figures["single"] = compare(ours, bare, size=1, times=TIMED)
    figures["batch"] = compare(ours, bare, size=BATCH, times=25)
    figures["filters"] = {
        f"{share:g}": under_filter(index, queries, allowed, true)
        for (share, allowed), true in zip(chosen.items(), truth[1:], strict=True)
    }
    figures["memory"] = memory_of(index_path(folder, HEAD), queries, work)
    say("changing 1%")
    figures["change"] = change(library, gallery, folder, opening, queries, rng)
    (work / "vectors").unlink()
    return figures


def edited(library: ImitatedLibrary, rng: np.random.Generator) -> NDArray[np.float32]:
    """Queries (q, d): frames of the library, each turned towards another as far as edits turn them."""
    picked = []
    for video_id in rng.choice(library.video_ids(), QUERIES):
        (block,) = library.embedding_blocks(HEAD, video_ids=[int(video_id)])
        picked.append(block.block.unit_vectors()[rng.integers(VIDEO_FRAMES)])
    originals = np.stack(picked)
    cosines = rng.uniform(*EDITS, (QUERIES, 1)).astype(np.float32)
    return turned(originals, originals[rng.permutation(QUERIES)], cosines)


def filtered(library: ImitatedLibrary, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """The ids of a share of the frames: whole videos drawn at random, or the beginning of one."""
    n = max(K, round(share * len(library)))
    videos = rng.choice(library.video_ids(), -(-n // VIDEO_FRAMES), replace=False)
    return frame_ids(sorted(videos.tolist()))[:n]


def nearest(
    library: ImitatedLibrary, queries: NDArray[np.float32], filters: Sequence[NDArray[np.int64] | None]
) -> list[NDArray[np.int64]]:
    """For each filter (None: no filter) the ids (q, K) of the true neighbours."""
    best = [(np.full((len(queries), K), -np.inf, np.float32), np.full((len(queries), K), -1)) for _ in filters]
    for ids, vectors in library.frames():
        for place, allowed in enumerate(filters):
            some = np.arange(len(ids)) if allowed is None else np.flatnonzero(np.isin(ids, _within(allowed, ids)))
            if len(some) == 0:
                continue
            found = faiss.knn(queries, vectors[some], min(K, len(some)), metric=faiss.METRIC_INNER_PRODUCT)
            scores = np.concatenate([best[place][0], found[0]], axis=1)
            names = np.concatenate([best[place][1], ids[some][found[1]]], axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
            best[place] = np.take_along_axis(scores, order, axis=1), np.take_along_axis(names, order, axis=1)
    return [names for _, names in best]


def _within(allowed: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    first, stop = np.searchsorted(allowed, [ids[0], ids[-1] + 1])
    return allowed[first:stop]


def bare_search(index: AnnIndex, queries: NDArray[np.float32], allowed: NDArray[np.int64] | None = None) -> Asking:
    """FAISS's own search over the very structure, with the same parameters; it answers with rows, in order of ids.

    What would cost it time that is no search comes prepared: queries as it takes them, a filter as a bitmap.
    """
    allowed_rows = None if allowed is None else np.isin(index.ids(), allowed)
    inner, params, prepare = index.faiss_index(allowed_rows)

    def search(some: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        scores, rows = inner.search(some, K, params=params)
        return scores, rows

    return search, prepare(queries)


def compare(ours: Asking, bare: Asking, *, size: int, times: int) -> dict[str, Any]:
    """Milliseconds a query of both, asked in turns for the same batches: of the clock, and of the processor.

    On a machine that does other work the clock tells of that work as well; with one thread, the processor's time is
    what the clock would show on an idle one.
    """
    clock: dict[str, list[float]] = {"ours": [], "bare": []}
    cpu: dict[str, list[float]] = {"ours": [], "bare": []}
    for turn in range(times + WARM_UP):
        start = turn * size % max(len(ours[1]) - size, 1)
        for name, (search, queries) in (("ours", ours), ("bare", bare))[:: 1 if turn % 2 else -1]:
            batch = queries[start : start + size]
            started = time.perf_counter(), time.process_time()
            search(batch)
            clock[name].append((time.perf_counter() - started[0]) * 1e3 / size)
            cpu[name].append((time.process_time() - started[1]) * 1e3 / size)
    figures = {
        name: {**_percentiles(clock[name][WARM_UP:], ""), **_percentiles(cpu[name][WARM_UP:], "cpu_")} for name in clock
    }
    ratios = {
        f"ratio_{kind}p50": figures["ours"][f"{kind}p50"] / figures["bare"][f"{kind}p50"] for kind in ("", "cpu_")
    }
    return {**figures, **ratios}


def _percentiles(values: Sequence[float], kind: str) -> dict[str, float]:
    return {f"{kind}p{p}": float(np.percentile(values, p)) for p in (50, 99)}


def under_filter(
    index: AnnIndex, queries: NDArray[np.float32], allowed: NDArray[np.int64], truth: NDArray[np.int64]
) -> dict[str, Any]:
    """Recall inside a filter, strays outside it, and what it costs."""

    def ours(some: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return index.search(some, K, allowed=allowed)

    _, found = ours(queries)
    bare = bare_search(index, queries, allowed)
    return {
        "frames": len(allowed),
        "ann_recall_at_10": ann_recall_at_k(found, truth),
        "outside": int((~np.isin(found[found >= 0], allowed)).sum()),
        "single": compare((ours, queries), bare, size=1, times=30),
        "batch": compare((ours, queries), bare, size=BATCH, times=10),
    }


def change(
    library: ImitatedLibrary,
    gallery: Gallery,
    folder: Path,
    opening: Mapping[str, Any],
    queries: NDArray[np.float32],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Recall after a share of the videos goes and as many come, and how long the index takes to follow."""
    removed, added = library.change(CHANGED, rng)
    path = index_path(folder, HEAD)
    before = dict(read_header(path).facts)
    started = time.perf_counter()
    index = open_index(gallery, folder, **opening)
    spent = time.perf_counter() - started
    (truth,) = nearest(library, queries, [None])
    ours: Asking = (lambda some: index.search(some, K)), queries
    _, found = ours[0](queries)
    return {
        "videos_removed": removed,
        "videos_added": added,
        "seconds": spent,
        "rebuilt": dict(index.facts) != before,
        "complete": bool(np.array_equal(np.sort(index.ids()), frame_ids(library.video_ids()))),
        "ann_recall_at_10": ann_recall_at_k(found, truth),
        "single": compare(ours, ours, size=1, times=50)["ours"],
    }


# In a process of its own: what opening and searching take, without what building left behind.
_MEMORY_PROGRAM = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
import numpy as np
from vsearch.search.ann import INDEXES
def kilobytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("Rss", "VmHWM"))}
path, kind, queries = sys.argv[1:]
queries = np.load(queries)
index_class = INDEXES.load(kind)
imported, before = time.perf_counter(), kilobytes()
index = index_class.load(Path(path))
opened = time.perf_counter()
index.search(queries[:40], 64)
first = time.perf_counter()
index.search(queries, 64)
print(json.dumps({
    "open_seconds": opened - imported, "first_batch_seconds": first - opened,
    "anonymous_bytes": kilobytes()["RssAnon"] - before["RssAnon"],
    "mapped_bytes": kilobytes()["RssFile"] - before["RssFile"], "most_bytes": kilobytes()["VmHWM"],
}))
"""


def memory_of(path: Path, queries: NDArray[np.float32], work: Path) -> dict[str, Any] | None:
    """Memory and time of opening an index and asking it; None where the system does not tell (no /proc)."""
    if not Path("/proc/self/status").is_file():
        return None
    np.save(work / "queries.npy", queries)
    command = (sys.executable, "-c", _MEMORY_PROGRAM, path, read_header(path).kind, work / "queries.npy")
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def summary(
    figures: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], seed: int, options: Mapping[str, Any]
) -> Report:
    """The finished report."""
    rows, goals = [], []
    for found in figures.values():
        name, filters, changed = f"{found['frames']:,}", found["filters"], found["change"]
        rows.append(
            (
                f"{name} {found['kind']}",
                f"{found['ann_recall_at_10']:.3f}",
                *(f"{found[size]['ours'][p]:.2f}" for size in ("single", "batch") for p in ("p50", "p99", "cpu_p50")),
                *(f"{found[size]['ratio_cpu_p50']:.2f}" for size in ("single", "batch")),
                f"{found['build_seconds']:.0f}",
                f"{found['build_cpu_seconds']:.0f}",
                f"{found['open_seconds']:.2f}",
                f"{found['file_bytes'] / 1e6:.0f}",
                f"{found['memory']['most_bytes'] / 1e6:.0f}" if found["memory"] else "-",
            )
        )
        goals += [
            Goal.at_least(f"{name}: ann_recall_at_10", found["ann_recall_at_10"], 0.95),
            Goal.at_most(f"{name}: ms, single query, median", found["single"]["ours"]["p50"], 20),
            Goal.at_most(f"{name}: ms of CPU time, single query, median", found["single"]["ours"]["cpu_p50"], 20),
            *(
                Goal.at_most(f"{name}: times bare FAISS, {size}", found[size]["ratio_cpu_p50"], 1.15)
                for size in ("single", "batch")
            ),
            *(
                Goal.at_least(f"{name}: ann_recall_at_10 in a filter of {share}", inside["ann_recall_at_10"], 0.95)
                for share, inside in filters.items()
            ),
            Goal.at_most(f"{name}: hits outside a filter", sum(inside["outside"] for inside in filters.values()), 0),
            Goal.at_least(
                f"{name}: gain of ann_recall_at_10 by changing 1%",
                changed["ann_recall_at_10"] - found["ann_recall_at_10"],
                -0.01,
            ),
        ]
    head = ("frames", "recall@10", "ms p50", "p99", "CPU", "batch p50", "p99", "CPU", "x bare", "x batch")
    filter_rows = [
        (
            f"{found['frames']:,} {share}",
            f"{inside['frames']:,}",
            f"{inside['ann_recall_at_10']:.3f}",
            *(f"{inside[size]['ours'][p]:.2f}" for size in ("single", "batch") for p in ("p50", "cpu_p50")),
            *(f"{inside[size]['ratio_cpu_p50']:.2f}" for size in ("single", "batch")),
        )
        for found in figures.values()
        for share, inside in found["filters"].items()
    ]
    change_rows = [
        (
            f"{found['frames']:,}",
            f"{found['change']['seconds']:.1f}",
            "yes" if found["change"]["rebuilt"] else "no",
            f"{found['ann_recall_at_10']:.3f}",
            f"{found['change']['ann_recall_at_10']:.3f}",
        )
        for found in figures.values()
    ]
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures=figures,
        goals=tuple(goals),
        tables=(
            Table("searching, k = 10", (*head, "build s", "CPU s", "open s", "file MB", "memory MB"), tuple(rows)),
            Table(
                "filters",
                ("frames, share", "left", "recall@10", "ms p50", "CPU", "batch p50", "CPU", "x bare", "x batch"),
                tuple(filter_rows),
            ),
            Table("1% out, 1% in", ("frames", "s", "rebuilt", "recall@10 before", "after"), tuple(change_rows)),
        ),
    )
