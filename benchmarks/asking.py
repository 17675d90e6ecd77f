"""Asking a library many queries in one warm process, and from where on its hits are taken for matches."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from benchmarks import libraries
from benchmarks.datasets import Video
from benchmarks.edited_queries import QuerySet
from benchmarks.report import BenchmarkError, say
from benchmarks.score_copies import CopyAnswer, CopyHit, Threshold
from vsearch.library import Library
from vsearch.models import shipped_codec, shipped_head
from vsearch.models.weights import ModelFiles
from vsearch.search.calibration import Calibration

HITS = 10
DEFAULT = "default floor"


def indexed(videos: Sequence[Video], work: Path, *, name: str, codec: Path | None, head: Path | None) -> Library:
    """A library of these videos by these models below `work`: one that an earlier run made is used again."""
    models = [ModelFiles.read(folder).model_id for folder in (codec or shipped_codec(), head or shipped_head())]
    folder = work / "-".join([name, *(model[:12] for model in models)])
    library = libraries.open_new(folder, codec=codec, head=head)
    libraries.index_videos(library, videos)
    return library


def thresholds(head: Path | None) -> list[Threshold]:
    """What a search shows by default, first: with a calibrated head what reaches "similar", then what reaches
    "duplicate"; with another what reaches its floor of similarity.
    """
    card = ModelFiles.read(head or shipped_head()).search
    calibration = Calibration.read(card)
    if calibration is None:
        return [Threshold(DEFAULT, "similarity", float(card.get("floor", 0.0)))]
    return [Threshold(name, "score", calibration.least_looked(name)) for name in ("similar", "duplicate")]


def ask_side_by_side(
    folder: Path, asked: QuerySet, sources: Mapping[str, Video], known: Mapping[str, Video], *, processes: int
) -> tuple[list[CopyAnswer], list[float]]:
    """`ask` of the library in a folder, by several processes each with its share of the queries if that is wanted."""
    if processes < 2:
        return _ask_share(folder, asked, sources, known)
    shares = [QuerySet(asked.folder, asked.queries[first::processes]) for first in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        told = list(pool.map(_ask_share, [folder] * processes, shares, [sources] * processes, [known] * processes))
    answers: list[CopyAnswer | None] = [None] * len(asked.queries)
    elapsed_s = [0.0] * len(asked.queries)
    for first, (some, seconds) in enumerate(told):
        answers[first::processes], elapsed_s[first::processes] = some, seconds
    return [answer for answer in answers if answer is not None], elapsed_s


def _ask_share(
    folder: Path, asked: QuerySet, sources: Mapping[str, Video], known: Mapping[str, Video]
) -> tuple[list[CopyAnswer], list[float]]:
    with Library.open(folder) as library:
        return ask(library, asked, sources, known)


def ask(
    library: Library, asked: QuerySet, sources: Mapping[str, Video], known: Mapping[str, Video]
) -> tuple[list[CopyAnswer], list[float]]:
    """Answers without a floor to all queries, and the seconds of each; known: the videos of the library by path.

    Raises BenchmarkError when a query can't be read or a hit names no video of the library.
    """
    say(f"asking vsearch {len(asked.queries)} queries")
    answers, elapsed_s = [], []
    results = library.search([asked.path(query) for query in asked.queries], k=HITS, min_similarity=0.0)
    began = time.perf_counter()
    for number, (query, result) in enumerate(zip(asked.queries, results, strict=True), 1):
        elapsed_s.append(time.perf_counter() - began)
        if result.error is not None:
            raise BenchmarkError(f"{result.query}: {result.error}")
        unknown = [hit.video for hit in result.hits if hit.video not in known]
        if unknown:
            raise BenchmarkError(f"{result.query}: found {unknown[0]}, which was not indexed")
        hits = [
            CopyHit(
                known[hit.video],
                hit.start_s,
                hit.end_s,
                hit.query_start_s,
                hit.query_end_s,
                hit.similarity,
                hit.score,
            )
            for hit in result.hits
        ]
        answers.append(CopyAnswer(query, sources[query.source], tuple(hits)))
        if number % 200 == 0:
            say(f"  {number} asked")
        began = time.perf_counter()
    return answers, elapsed_s


def keep_answers(path: Path, answers: Sequence[CopyAnswer]) -> None:
    """A line of JSON a query, to look at what was not found."""
    lines = [
        json.dumps(
            {
                **asdict(answer.query),
                "hits": [
                    {
                        "video": hit.video.name,
                        "verdict": answer.judge(hit),
                        "start_s": round(hit.start_s, 3),
                        "end_s": round(hit.end_s, 3),
                        "similarity": round(hit.similarity, 4),
                        "score": round(hit.score, 4),
                    }
                    for hit in answer.hits[:3]
                ],
            }
        )
        for answer in answers
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
