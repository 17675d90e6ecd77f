"""How well excerpts are found: pure functions over what was answered.

A hit in the query's group is right, a hit in another group of the same scene counts neither way (as if it were not
there), everything else is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.datasets import Video
from vsearch.metrics import percentile, recall_at_k, temporal_iou

RIGHT, NEUTRAL, WRONG = "right", "neutral", "wrong"


def verdict(source: Video, found: Video) -> str:
    """What it means that a query cut from `source` is answered with `found`."""
    if found.group == source.group:
        return RIGHT
    return NEUTRAL if found.scene == source.scene else WRONG


@dataclass(frozen=True, slots=True)
class Found:
    """One hit: a video of the library and a range in it."""

    video: Video
    start_s: float
    end_s: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query (cut from `source`, `start_s` to `end_s`) was answered, best first, at the default floor.

    `unlimited`: the same without a floor. `elapsed_s`: how long the search at the default floor took.
    """

    source: Video
    start_s: float
    end_s: float
    hits: tuple[Found, ...]
    unlimited: tuple[Found, ...]
    elapsed_s: float

    def judge(self, found: Found) -> str:
        return verdict(self.source, found.video)

    def judged(self, hits: Sequence[Found]) -> list[str]:
        """The verdicts that count, best first."""
        return [verdict for verdict in map(self.judge, hits) if verdict != NEUTRAL]

    @property
    def iou(self) -> float:
        """Of the best hit in the very video that the query was cut from, if the first hit that counts is right; else 0.

        Other videos of the group are right as well, but where in them the excerpt is, the manifest does not say.
        """
        if self.judged(self.hits)[:1] != [RIGHT]:
            return 0.0
        of_source = next((hit for hit in self.hits if hit.video == self.source), None)
        if of_source is None:
            return 0.0
        return temporal_iou((of_source.start_s, of_source.end_s), (self.start_s, self.end_s))


@dataclass(frozen=True, slots=True)
class InsideScore:
    """Queries whose group is in the library. `ious` are of all queries, 0 where the first hit is wrong."""

    queries: int
    right_at_1: int
    recall_at_1: float
    recall_at_5: float
    ious: tuple[float, ...]
    right_similarities: tuple[float, ...]

    @property
    def mean_iou(self) -> float:
        return sum(self.ious) / len(self.ious)

    @property
    def median_iou(self) -> float:
        return percentile(self.ious, 0.5)


@dataclass(frozen=True, slots=True)
class OutsideScore:
    """Queries whose group is not in the library: every hit that counts is false."""

    queries: int
    false_hits: int
    best_similarities: tuple[float, ...]


def score_inside(answers: Sequence[Answer]) -> InsideScore:
    """Recall at the default floor, temporal IoU, and the similarity of the best right hit without a floor."""
    verdicts = [answer.judged(answer.hits) for answer in answers]
    wanted = [[RIGHT]] * len(answers)
    return InsideScore(
        queries=len(answers),
        right_at_1=sum(verdict[:1] == [RIGHT] for verdict in verdicts),
        recall_at_1=recall_at_k(verdicts, wanted, 1),
        recall_at_5=recall_at_k(verdicts, wanted, 5),
        ious=tuple(answer.iou for answer in answers),
        right_similarities=tuple(best for answer in answers if (best := _best(answer, RIGHT)) is not None),
    )


def score_outside(answers: Sequence[Answer]) -> OutsideScore:
    """How many got a hit at the default floor, and the similarity of the best one without a floor."""
    return OutsideScore(
        queries=len(answers),
        false_hits=sum(bool(answer.judged(answer.hits)) for answer in answers),
        best_similarities=tuple(best for answer in answers if (best := _best(answer, WRONG)) is not None),
    )


def distribution(values: Sequence[float]) -> dict[str, Any]:
    """Range and quartiles of similarities; only the count when there are none."""
    names = {"min": 0.0, "p25": 0.25, "median": 0.5, "p75": 0.75, "max": 1.0}
    return {"n": len(values), **({name: percentile(values, at) for name, at in names.items()} if values else {})}


def _best(answer: Answer, verdict: str) -> float | None:
    """The highest similarity among the hits of one verdict, without a floor."""
    return max((hit.similarity for hit in answer.unlimited if answer.judge(hit) == verdict), default=None)
