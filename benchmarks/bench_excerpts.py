"""Are re-encoded, scaled 5-second excerpts found, in the right place, and strangers not?

    python -m benchmarks excerpts [--inside 20] [--outside 40]

Excerpts of groups that are in the library must be answered with their own group first and the right seconds; excerpts
of groups that were left out must be answered `no match` at the default floor.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import datasets, libraries, report
from benchmarks.datasets import Video
from benchmarks.excerpts import CRF, LENGTH_S, SCALE, Excerpt, Split, choose, write_excerpt
from benchmarks.report import BenchmarkError, Goal, Report, Table, say, spread
from benchmarks.score_excerpts import (
    Answer,
    Found,
    InsideScore,
    OutsideScore,
    distribution,
    score_inside,
    score_outside,
)
from vsearch.library import Library
from vsearch.metrics import percentile

NAME = "excerpts"
QUESTION = "are scaled, re-encoded 5-second excerpts found in their place, and strangers not?"
HITS = 10


def main(argv: Sequence[str]) -> int:
    parser = report.options(NAME, QUESTION)
    report.add_corpus_options(parser)
    report.add_model_options(parser)
    parser.add_argument("--inside", type=int, help="excerpts of groups in the library [20; quick: 4]")
    parser.add_argument("--outside", type=int, help="excerpts of groups left out of it [40; quick: 6]")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the library and the excerpts here")
    args = parser.parse_args(argv)
    args.inside = args.inside or (4 if args.quick else 20)
    args.outside = args.outside or (6 if args.quick else 40)

    corpus = datasets.corpus_folder(args.corpus)
    videos = datasets.dev_videos(corpus)
    split = choose(videos, inside=args.inside, outside=args.outside, seed=args.seed)
    if args.quick:
        split = with_small_library(split)
    with (
        libraries.work_folder(args.work) as work,
        libraries.open_new(work / "library", codec=args.codec, head=args.head) as library,
    ):
        libraries.index_videos(library, split.library)
        first_s, inside, outside = ask_all(library, split, work)
        models = libraries.models_of(library)
    told = report.told(args, "inside", "outside", "quick")
    made = {"length_s": LENGTH_S, "scale": SCALE, "crf": CRF, "k": HITS}
    data = {**datasets.described(corpus, videos), "library_videos": len(split.library)}
    finished = summary(
        inside, outside, first_query_s=first_s, data=data, seed=args.seed, options={**told, **made, **models}
    )
    report.publish(finished, report.output_path(NAME, args))
    return 0


def with_small_library(split: Split) -> Split:
    """The same queries; the library keeps the groups inside and as many short videos of others."""
    groups = {cut.video.group for cut in split.inside}
    own = [video for video in split.library if video.group in groups]
    others = sorted((video for video in split.library if video.group not in groups), key=lambda v: v.duration_s)
    return Split((*own, *others[: len(own)]), split.inside, split.outside)


def ask_all(library: Library, split: Split, work: Path) -> tuple[float, list[Answer], list[Answer]]:
    """Seconds of the first search (it loads the models and builds the index), then the answers inside and outside."""
    folder = work / "queries"
    folder.mkdir(exist_ok=True)
    say(f"encoding {len(split.inside) + len(split.outside)} excerpts")
    cuts = (*split.inside, *split.outside)
    excerpts = [write_excerpt(cut, folder / f"{number:03d}.mp4") for number, cut in enumerate(cuts)]
    known = {str(video.path): video for video in split.library}
    say("searching")
    ((_, first_s),) = search(library, excerpts[:1], known, min_similarity=None)
    floored = search(library, excerpts, known, min_similarity=None)
    unlimited = search(library, excerpts, known, min_similarity=0.0)
    answers = [
        Answer(excerpt.video, excerpt.start_s, excerpt.end_s, hits, without, elapsed_s)
        for excerpt, (hits, elapsed_s), (without, _) in zip(excerpts, floored, unlimited, strict=True)
    ]
    return first_s, answers[: len(split.inside)], answers[len(split.inside) :]


def search(
    library: Library, excerpts: Sequence[Excerpt], known: Mapping[str, Video], *, min_similarity: float | None
) -> list[tuple[tuple[Found, ...], float]]:
    """Hits and seconds of each excerpt, in one call that asks for one after the other.

    Raises BenchmarkError when a query can't be read or a hit names no video of the library.
    """
    results = library.search([excerpt.path for excerpt in excerpts], k=HITS, min_similarity=min_similarity)
    answered = []
    began = time.perf_counter()
    for result in results:
        elapsed_s = time.perf_counter() - began
        if result.error is not None:
            raise BenchmarkError(f"{result.query}: {result.error}")
        unknown = [hit.video for hit in result.hits if hit.video not in known]
        if unknown:
            raise BenchmarkError(f"{result.query}: found {unknown[0]}, which was not indexed")
        hits = tuple(Found(known[hit.video], hit.start_s, hit.end_s, hit.similarity) for hit in result.hits)
        answered.append((hits, elapsed_s))
        began = time.perf_counter()
    return answered


def summary(
    inside: Sequence[Answer],
    outside: Sequence[Answer],
    *,
    first_query_s: float,
    data: Mapping[str, Any],
    seed: int,
    options: Mapping[str, Any],
) -> Report:
    """The finished report."""
    found, strangers = score_inside(inside), score_outside(outside)
    query_s = [answer.elapsed_s for answer in (*inside, *outside)]
    figures = {
        "inside": {
            "queries": found.queries,
            "right_at_rank_1": found.right_at_1,
            "recall_at_1": found.recall_at_1,
            "recall_at_5": found.recall_at_5,
            "temporal_iou_mean": found.mean_iou,
            "temporal_iou_median": found.median_iou,
            "right_similarity_without_floor": distribution(found.right_similarities),
            "answers": [answer_json(answer) for answer in inside],
        },
        "outside": {
            "queries": strangers.queries,
            "false_hits_at_default_floor": strangers.false_hits,
            "best_similarity_without_floor": distribution(strangers.best_similarities),
            "answers": [answer_json(answer) for answer in outside],
        },
        "seconds_a_query": {**spread(query_s), "p95": percentile(query_s, 0.95), "first": first_query_s},
    }
    return Report(
        name=NAME,
        question=QUESTION,
        data=data,
        seed=seed,
        options=options,
        figures=figures,
        goals=goals(found, strangers),
        tables=(queries_table(found, strangers, query_s), *missed_table(inside, outside)),
        notes=("A lookalike (another group of the query's scene) counts neither way; IoU is 0 where rank 1 is wrong.",),
    )


def goals(found: InsideScore, strangers: OutsideScore) -> tuple[Goal, ...]:
    """Issue 7's, as shares, so that they can be read with other numbers of queries as well."""
    return (
        Goal.at_least("share of excerpts with their own group at rank 1", found.recall_at_1, 0.95),
        Goal.at_least("mean temporal IoU", found.mean_iou, 0.5),
        Goal.at_most("share of strangers with a hit", strangers.false_hits / strangers.queries, 0.1),
    )


def queries_table(found: InsideScore, strangers: OutsideScore, query_s: Sequence[float]) -> Table:
    right, wrong = found.right_similarities, strangers.best_similarities
    return Table(
        f"{found.queries} excerpts of groups in the library, {strangers.queries} of groups left out",
        ("", "figure"),
        (
            ("own group at rank 1", f"{found.right_at_1} of {found.queries}"),
            ("recall@1, recall@5", f"{found.recall_at_1:.3f}, {found.recall_at_5:.3f}"),
            ("temporal IoU, mean and median", f"{found.mean_iou:.3f}, {found.median_iou:.3f}"),
            ("strangers with a hit", f"{strangers.false_hits} of {strangers.queries}"),
            ("similarity of right hits, median (lowest)", middle(right, 0.0)),
            ("similarity of strangers, median (highest)", middle(wrong, 1.0)),
            ("seconds a query, median (p95)", f"{percentile(query_s, 0.5):.3f} ({percentile(query_s, 0.95):.3f})"),
        ),
    )


def middle(values: Sequence[float], end: float) -> str:
    return f"{percentile(values, 0.5):.3f} ({percentile(values, end):.3f})" if values else "-"


def missed_table(inside: Sequence[Answer], outside: Sequence[Answer]) -> list[Table]:
    """Queries that were not answered as they should be; nothing when all were."""
    wrong = [answer for answer in inside if answer.judged(answer.hits)[:1] != ["right"]]
    wrong += [answer for answer in outside if answer.judged(answer.hits)]
    rows = []
    for answer in wrong:
        best = answer.hits[0] if answer.hits else None
        told = (best.video.name, f"{best.similarity:.3f}") if best else ("no match", "-")
        rows.append((f"{answer.source.name} {answer.start_s:.1f} s", *told))
    return [Table("not answered as they should be", ("query", "first hit", "similarity"), tuple(rows))] if rows else []


def answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "source": answer.source.name,
        "start_s": answer.start_s,
        "end_s": answer.end_s,
        "seconds": answer.elapsed_s,
        "iou": answer.iou,
        "hits": [hit_json(answer, hit) for hit in answer.hits[:3]],
        "best_without_floor": [hit_json(answer, hit) for hit in answer.unlimited[:1]],
    }


def hit_json(answer: Answer, hit: Found) -> dict[str, Any]:
    return {
        "video": hit.video.name,
        "verdict": answer.judge(hit),
        "start_s": hit.start_s,
        "end_s": hit.end_s,
        "similarity": hit.similarity,
    }
