"""How well edited excerpts are found: pure functions over answers, the same for vsearch and its peers.

A hit in the query's group is right, a hit in another group of the same scene counts neither way (as if it were not
there), everything else is wrong. Of each group only the best hit of a query counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.copies import COPY, LOOKALIKE, STRANGER
from benchmarks.datasets import SHOWS_AGAIN, Video
from benchmarks.edited_queries import Query
from benchmarks.score_excerpts import NEUTRAL, RIGHT, WRONG, verdict
from vsearch.metrics import micro_average_precision, segment_f1, temporal_iou

START_WITHIN_S = 1.0
CONFIDENCE = 0.95
TEST_CARDS = frozenset({"dev/027.webm"})  # colour bars with a clock: test cards are never matched, whatever is asked
SHOWING_OTHERS = frozenset({"picture in picture", "side by side", "inside a minute"})  # footage of videos not there


@dataclass(frozen=True, slots=True)
class CopyHit:
    """A range of a video of the gallery, and of the query (None: a picture). `score` is what a system ranks by."""

    video: Video
    start_s: float
    end_s: float
    query_start_s: float | None
    query_end_s: float | None
    similarity: float
    score: float


@dataclass(frozen=True, slots=True)
class CopyAnswer:
    """What a query cut from `source` was answered, best first."""

    query: Query
    source: Video
    hits: tuple[CopyHit, ...]

    def judge(self, hit: CopyHit) -> str:
        """Besides what the manifest says: one of `SHOWS_AGAIN` is no wrong answer to the other, nor to what may show it
        beside its own footage.
        """
        judged = verdict(self.source, hit.video)
        shown = self.source.name in SHOWS_AGAIN or self.query.edit in SHOWING_OTHERS
        return NEUTRAL if judged == WRONG and shown and hit.video.name in SHOWS_AGAIN else judged

    def counted(self) -> list[tuple[str, CopyHit]]:
        """The hits that count, best first, with their verdicts: the first one of each group."""
        seen: set[str] = set()
        kept = []
        for hit in self.hits:
            judged = self.judge(hit)
            if judged != NEUTRAL and hit.video.group not in seen:
                seen.add(hit.video.group)
                kept.append((judged, hit))
        return kept

    def above(self, passes: Callable[[CopyHit], bool]) -> CopyAnswer:
        """With those hits alone."""
        return CopyAnswer(self.query, self.source, tuple(hit for hit in self.hits if passes(hit)))


@dataclass(frozen=True, slots=True)
class Threshold:
    """From where on a hit is taken for a match. field: the number of the hit that is compared with `least`."""

    name: str
    field: str
    least: float

    def passes(self, hit: CopyHit) -> bool:
        return float(getattr(hit, self.field)) >= self.least


@dataclass(frozen=True, slots=True)
class Finding:
    """How one set of copies was found. Means are None where nothing can be averaged.

    ious, segment_f1: of the first hits in the very video that a copy was cut from, self-similar footage and single
    frames left out; F1 is 0 where the first hit is wrong. starts: the share of all copies that are not self-similar
    whose first hit begins within `START_WITHIN_S` of the truth.
    """

    copies: int
    recall_at_1: float
    recall_at_5: float
    uap: float
    temporal_iou: float | None
    placed: int
    segment_f1: float | None
    starts_within: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "queries": self.copies,
            "recall_at_1": self.recall_at_1,
            "recall_at_5": self.recall_at_5,
            "uap": self.uap,
            "temporal_iou": self.temporal_iou,
            "queries_with_iou": self.placed,
            "segment_f1": self.segment_f1,
            "starts_within_1_s": self.starts_within,
        }


def score_finding(found: Sequence[CopyAnswer], absent: Sequence[CopyAnswer]) -> Finding:
    """found: at least one answer to a copy; absent: answers to footage that is not there, which count in uAP alone."""
    counted = [answer.counted() for answer in found]
    places = [place for answer in found if (place := placed(answer)) is not None]
    f1 = [value for answer in found if (value := first_f1(answer)) is not None]
    starts = [value for answer in found if (value := starts_right(answer)) is not None]
    return Finding(
        copies=len(found),
        recall_at_1=sum(RIGHT in [judged for judged, _ in hits[:1]] for hits in counted) / len(found),
        recall_at_5=sum(RIGHT in [judged for judged, _ in hits[:5]] for hits in counted) / len(found),
        uap=uap(found, absent),
        temporal_iou=_mean(places),
        placed=len(places),
        segment_f1=_mean(f1),
        starts_within=_mean([float(value) for value in starts]),
    )


def uap(found: Sequence[CopyAnswer], absent: Sequence[CopyAnswer]) -> float:
    """Micro average precision by score over all hits that count, of copies and of what is not there."""
    counted = [hit for answer in (*found, *absent) for hit in answer.counted()]
    scores = [hit.score for _, hit in counted]
    return micro_average_precision(scores, [judged == RIGHT for judged, _ in counted], len(found))


def placed(answer: CopyAnswer) -> float | None:
    """Temporal IoU of the first hit, where it is right, in the query's own source, and can be placed at all."""
    first = _first_in_source(answer)
    if first is None or answer.query.still or answer.query.self_similar:
        return None
    return temporal_iou((first.start_s, first.end_s), (answer.query.start_s, answer.query.end_s))


def first_f1(answer: CopyAnswer) -> float | None:
    """VCSL's F1 of the first hit as a segment of query and source; 0 when it is wrong or missing; None where other
    videos of the group were found (their truth is not known), and for pictures and self-similar footage.
    """
    query, counted = answer.query, answer.counted()
    if query.still or query.self_similar:
        return None
    if not counted or counted[0][0] != RIGHT:
        return 0.0
    hit = counted[0][1]
    if hit.video != answer.source or hit.query_start_s is None or hit.query_end_s is None:
        return None
    truth = (query.query_start_s, query.query_end_s, query.start_s, query.end_s)
    return segment_f1([(hit.query_start_s, hit.query_end_s, hit.start_s, hit.end_s)], [truth])


def starts_right(answer: CopyAnswer) -> bool | None:
    """Whether the first hit begins where the excerpt does; None for self-similar footage, and in another video of the
    group.
    """
    counted = answer.counted()
    if answer.query.self_similar or (counted and counted[0][0] == RIGHT and counted[0][1].video != answer.source):
        return None
    first = _first_in_source(answer)
    return first is not None and abs(first.start_s - answer.query.start_s) <= START_WITHIN_S


def _first_in_source(answer: CopyAnswer) -> CopyHit | None:
    """The first hit that counts, if it is in the very video that the query was cut from."""
    counted = answer.counted()
    return counted[0][1] if counted and counted[0][1].video == answer.source else None


def by_edit(answers: Sequence[CopyAnswer]) -> dict[str, list[CopyAnswer]]:
    """Answers to copies, in the order in which their edits first appear."""
    found: dict[str, list[CopyAnswer]] = {}
    for answer in of_kind(answers, COPY):
        found.setdefault(answer.query.edit, []).append(answer)
    return found


def of_kind(answers: Sequence[CopyAnswer], kind: str) -> list[CopyAnswer]:
    return [answer for answer in answers if answer.query.kind == kind]


def at_threshold(answers: Sequence[CopyAnswer], threshold: Threshold) -> dict[str, Any]:
    """Precision and recall over all queries, false hits among strangers with the upper bound, and lookalikes apart.

    Beside them the strangers with a false hit outside their own series: the manifest does not know whether two files
    of one series show the same.
    """
    passing = [answer.above(threshold.passes) for answer in answers]
    copies_, strangers, lookalikes = (of_kind(passing, kind) for kind in (COPY, STRANGER, LOOKALIKE))
    verdicts = [[judged for judged, _ in answer.counted()] for answer in passing]
    right, wrong = (sum(found.count(name) for found in verdicts) for name in (RIGHT, WRONG))
    false = sum(bool(answer.counted()) for answer in strangers)
    return {
        "threshold": threshold.name,
        "field": threshold.field,
        "least": threshold.least,
        "precision": right / (right + wrong) if right + wrong else None,
        "recall": right / len(copies_),
        **false_hits(false, len(strangers)),
        "strangers_with_a_hit_outside_their_series": sum(map(_outside_series, strangers)),
        "lookalikes": len(lookalikes),
        "lookalikes_with_a_hit_in_their_scene": sum(_in_scene(answer) for answer in lookalikes),
        "lookalikes_with_a_false_hit": sum(bool(answer.counted()) for answer in lookalikes),
    }


def false_hits(false: int, strangers: int) -> dict[str, Any]:
    """As a rate, with the upper bound."""
    if not strangers:
        return {"strangers": 0, "strangers_with_a_hit": 0, "false_hits_per_1000": None, "upper_bound_per_1000": None}
    return {
        "strangers": strangers,
        "strangers_with_a_hit": false,
        "false_hits_per_1000": 1000 * false / strangers,
        "upper_bound_per_1000": 1000 * upper_bound(false, strangers),
    }


def _outside_series(answer: CopyAnswer) -> bool:
    return any(not hit.video.beside(answer.source) for _, hit in answer.counted())


def _in_scene(answer: CopyAnswer) -> bool:
    return any(hit.video.scene == answer.source.scene for hit in answer.hits)


def upper_bound(events: int, trials: int, *, confidence: float = CONFIDENCE) -> float:
    """The one-sided Clopper-Pearson bound: the rate at which so few events would have a probability of 1 - confidence.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934. Without events about 3 / trials.
    """
    if not 0 <= events <= trials or trials < 1:
        raise ValueError(f"there are no {events} events in {trials} trials")
    if events == trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(events, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(events: int, trials: int, rate: float) -> float:
    """The binomial probability of at most so many events."""
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(rate)
        + (trials - k) * math.log1p(-rate)
        for k in range(events + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs))) if 0 < rate < 1 else float(rate <= 0)


def recall_with_few_false(answers: Sequence[CopyAnswer], *, per_1000: float) -> tuple[float, float]:
    """(recall, score): the highest share of copies with a right hit at a score that at most so many of 1,000 strangers
    reach. Needs no threshold of a system's own, so that systems can be compared.
    """
    strangers, found = of_kind(answers, STRANGER), of_kind(answers, COPY)
    false = sorted((max((hit.score for _, hit in one.counted()), default=-math.inf) for one in strangers), reverse=True)
    allowed = int(per_1000 * len(strangers) / 1000)
    bar = false[allowed] if allowed < len(false) else -math.inf
    right = [max((hit.score for judged, hit in one.counted() if judged == RIGHT), default=-math.inf) for one in found]
    passing = [score for score in right if score > bar]
    return len(passing) / len(found), min(passing, default=math.inf)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def findings(answers: Sequence[CopyAnswer]) -> tuple[Finding, Mapping[str, Finding]]:
    """Over all copies, and by edit: uAP of an edit counts its copies and everything that is not there."""
    absent = of_kind(answers, STRANGER)
    edits = by_edit(answers)
    whole = score_finding([answer for found in edits.values() for answer in found], absent)
    return whole, {edit: score_finding(found, absent) for edit, found in edits.items()}
