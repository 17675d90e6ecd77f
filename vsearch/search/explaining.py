"""Why a query and one video match or do not: both sides compared frame by frame, and the outcome in words. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Pairing, Segment
from vsearch.search.calibration import Judge
from vsearch.search.engine import segments_of
from vsearch.search.gallery import Track
from vsearch.search.pair import BLOCK_FRAMES, AlignSettings
from vsearch.search.queries.base import QueryFrames
from vsearch.search.rank import same_place
from vsearch.search.structure import paired_frames
from vsearch.text import clock, counted

REASONS = ("match", "below-floor", "below-threshold", "no-line", "no-information-in-query", "no-information-in-video")
VIEW_WORDS = {"mirrored": "the query is mirrored", "box": "the query has the video in a part of its picture"}
FEW_FRAMES = 4  # so few matched query frames say little
SAMPLE_CELLS = 50_000  # enough for the median of a matrix


@dataclass(frozen=True, eq=False)
class Comparison:
    """A query beside one video of the library.

    query: all its frames, those without information weighted 0. track: the video's frames with information (None: it
    has none). segments: those that match, best first; where none does, the best one alone. floor, threshold: the
    similarity and the score that a match has at least. calibrated: whether scores are probabilities. view: how the
    query was looked at, "" as it is. least_contrast: cosines along a line that stand out by less over the
    pair's usual ones could as well be of another moment.
    """

    query: QueryFrames
    track: Track | None
    segments: tuple[Segment, ...]
    floor: float
    threshold: float
    calibrated: bool
    view: str
    least_contrast: float

    @cached_property
    def asked(self) -> QueryFrames:
        """The frames of the query that are compared, m of them."""
        return self.query.informative()

    @property
    def recurring(self) -> int:
        """How many of the compared frames count for little because many videos have them."""
        return int((self.asked.weights < 1).sum())

    @property
    def reason(self) -> str:
        """The outcome, one of `REASONS`."""
        if not len(self.asked.vectors):
            return "no-information-in-query"
        if self.track is None:
            return "no-information-in-video"
        if not self.segments:
            return "no-line"
        if self.segments[0].similarity < self.floor:
            return "below-floor"
        return "match" if self.segments[0].score >= self.threshold else "below-threshold"

    @property
    def matches(self) -> bool:
        return self.reason == "match"

    def columns(self, start: int, stop: int) -> NDArray[np.float32]:
        """(m, stop - start) float32: cosines of the compared query frames with these frames of the track."""
        if self.track is None:
            return np.empty((len(self.asked.vectors), 0), np.float32)
        return self.asked.vectors @ self.track.vectors[start:stop].T

    @cached_property
    def best_pair(self) -> Pairing | None:
        """The two frames that are most alike, wherever they are."""
        if self.track is None or not len(self.asked.vectors):
            return None
        best = Pairing(0.0, 0.0, -np.inf)
        for start in range(0, len(self.track.vectors), BLOCK_FRAMES):
            block = self.columns(start, start + BLOCK_FRAMES)
            row, column = divmod(int(block.argmax()), block.shape[1])
            if block[row, column] > best.similarity:
                times = self.asked.times_s[row], self.track.times_s[start + column]
                best = Pairing(float(times[0]), float(times[1]), float(block[row, column]))
        return best

    @cached_property
    def usual_similarity(self) -> float | None:
        """The median cosine of the pair: how alike its frames are when nothing is lined up."""
        if self.track is None or not len(self.asked.vectors):
            return None
        step = -(-len(self.asked.vectors) * len(self.track.vectors) // SAMPLE_CELLS)
        return float(np.median(self.asked.vectors @ self.track.vectors[::step].T))

    def along(self, segment: Segment) -> list[Pairing]:
        """Each query frame of a segment with the library frame that its line puts beside it."""
        if self.track is None:
            return []
        rows, found = paired_frames(self.asked, self.track, segment)
        cosines = np.einsum("md,md->m", self.asked.vectors[rows], self.track.vectors[found])
        columns = self.asked.times_s[rows].tolist(), self.track.times_s[found].tolist(), cosines.tolist()
        return [Pairing(*cells) for cells in zip(*columns, strict=True)]


def compare(
    query: QueryFrames,
    track: Track | None,
    *,
    least_similarity: float,
    least_score: Callable[[Segment], float] = lambda _: 0.0,
    judge: Judge | None = None,
    look: Callable[[Track, Segment], Segment] | None = None,
    max_segments: int = 1,
    settings: AlignSettings | None = None,
) -> Comparison:
    """A query and one video, aligned: at most `max_segments` segments, the best as a search finds it, the others from
    what is left of both sides. least_score: what a segment must have to match. judge: gives segments probabilities for
    scores; look: gives them better ones, from pictures.
    """
    settings = settings or AlignSettings()
    asked = query.informative()
    found: list[Segment] = []
    if len(asked.vectors) and track is not None:
        found = segments_of(asked, track, max_segments=max_segments, settings=settings, disjoint_in="both")
    if judge is not None and track is not None:
        probable = judge.of(asked)
        found = [probable(track, segment) for segment in found]
        if look is not None:
            found = [look(track, segment) for segment in found]
        found.sort(key=lambda one: -one.score)
        found = [one for i, one in enumerate(found) if not any(same_place(one, other) for other in found[:i])]
    matching = [one for one in found if one.similarity >= least_similarity and one.score >= least_score(one)]
    shown = matching or found[:1]
    return Comparison(
        query,
        track,
        segments=tuple(shown),
        floor=least_similarity,
        threshold=least_score(shown[0]) if shown else 0.0,
        calibrated=judge is not None,
        view=query.view,
        least_contrast=settings.least_contrast,
    )


def in_words(found: Comparison) -> list[str]:
    """What a person should know of a comparison: the outcome, then what speaks for it and against it."""
    also = [f"also {_line(segment, still=found.query.still)}" for segment in found.segments[1:]]
    view = [f"seen otherwise: {VIEW_WORDS.get(found.view, found.view)}"] if found.view else []
    said = [*also, *view, *_looked(found), *_coverage(found), *_doubts(found), *_left_out(found), *_closest(found)]
    return [_outcome(found), *said]


def figures(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON-ready figures."""
    best = found.best_pair
    return {
        "matches": found.matches,
        "reason": found.reason,
        "words": in_words(found),
        "view": found.view,
        "floor": found.floor,
        "threshold": found.threshold,
        "score_kind": "probability" if found.calibrated else "uncalibrated",
        "segments": [_segment_figures(segment, still=found.query.still) for segment in found.segments],
        "query_frames": len(found.query.vectors),
        "query_frames_compared": len(found.asked.vectors),
        "query_frames_recurring": found.recurring,
        "video_frames_compared": 0 if found.track is None else len(found.track.vectors),
        "usual_similarity": found.usual_similarity,
        "most_alike": None
        if best is None
        else {"query_seconds": best.query_s, "video_seconds": best.video_s, "similarity": best.similarity},
    }


def _segment_figures(segment: Segment, *, still: bool) -> dict[str, Any]:
    return {
        "start_seconds": segment.start_s,
        "end_seconds": segment.end_s,
        "query_start_seconds": None if still else segment.query_start_s,
        "query_end_seconds": None if still else segment.query_end_s,
        "rate": segment.rate,
        "similarity": segment.similarity,
        "score": segment.score,
        "matched_frames": segment.matched_frames,
        "query_coverage": segment.query_coverage,
        "video_coverage": segment.video_coverage,
        "details": segment.details,
    }


def _outcome(found: Comparison) -> str:
    if found.reason == "no-information-in-query":
        return "does not match: the query has no frame with information (all are black or flat)"
    if found.reason == "no-information-in-video":
        return "does not match: the library holds no frame of the video with information"
    if found.reason == "no-line":
        return "does not match: no line of constant speed meets both the query and the video"
    best = found.segments[0]
    digits = 2 if round(best.similarity, 2) != round(found.floor, 2) else 4
    line = f"{_line(best, still=found.query.still, digits=digits)}, floor {found.floor:.{digits}f}"
    if found.calibrated:
        line = f"{line}, probability {best.score:.1%}, threshold {found.threshold:.1%}"
    if found.matches:
        return f"matches: {line}"
    return f"does not match: {found.reason.replace('-', ' the ')}: at best {line}"


def _line(segment: Segment, *, still: bool, digits: int = 2) -> str:
    there = f"{clock(segment.start_s)} - {clock(segment.end_s)} of the video"
    if still:
        return f"the picture is {there}, cosine {segment.similarity:.{digits}f}"
    asked = f"{clock(segment.query_start_s)} - {clock(segment.query_end_s)} of the query"
    speed = f"{abs(segment.rate):.2f}x" + (" backwards" if segment.rate < 0 else "")
    return f"{asked} are {there} at {speed}, mean cosine {segment.similarity:.{digits}f}"


def _looked(found: Comparison) -> list[str]:
    """What the pictures of the best segment have in common."""
    alike = found.segments[0].details if found.segments else None
    if alike is None:
        return []
    share = f"share {counted(alike, 'detail')} in the same places" if alike else "have no detail in the same place"
    return [f"the pictures of both {share}"]


def _coverage(found: Comparison) -> list[str]:
    if not found.matches or found.query.still:
        return []
    there = sum(segment.video_coverage for segment in found.segments)
    subject = "that is" if len(found.segments) == 1 else "together that is"
    return [f"{subject} {_covered_share(found):.0%} of the query and {there:.0%} of the video"]


def _covered_share(found: Comparison) -> float:
    """How much of the query the segments cover together; what two of them cover counts once."""
    covered_s, reached_s = 0.0, found.query.start_s
    for segment in sorted(found.segments, key=lambda segment: segment.query_start_s):
        covered_s += max(0.0, segment.query_end_s - max(reached_s, segment.query_start_s))
        reached_s = max(reached_s, segment.query_end_s)
    return covered_s / max(found.query.duration_s, 1e-9)


def _doubts(found: Comparison) -> list[str]:
    """Why the best line says less than its cosine alone does."""
    if not found.segments or found.query.still:
        return []
    best, doubts = found.segments[0], []
    if len({pairing.video_s for pairing in found.along(best)}) == 1:
        doubts.append("the best line crosses only one library frame: a picture in common, not yet a moment")
    if best.matched_frames < FEW_FRAMES:
        doubts.append(f"too few frames to be sure: the best line has {counted(best.matched_frames, 'query frame')}")
    usual = found.usual_similarity
    if usual is not None and best.similarity - usual < found.least_contrast:
        effect = "the moment is less certain than the video" if found.matches else "nothing stands out"
        doubts.append(f"frames anywhere in the two have a median cosine of {usual:.2f}: {effect}")
    return doubts


def _left_out(found: Comparison) -> list[str]:
    """Which query frames did not count, or hardly."""
    total, compared = len(found.query.vectors), len(found.asked.vectors)
    said = []
    if compared not in (0, total):
        blank = total - compared
        said.append(f"{blank} of {counted(total, 'query frame')} without information (black or flat) not compared")
    if found.recurring:
        said.append(f"in many videos, and of little weight: {found.recurring} of {counted(total, 'query frame')}")
    return said


def _closest(found: Comparison) -> list[str]:
    """The two most similar frames, where there is no match: what a still of them would find."""
    best = found.best_pair
    if found.matches or best is None or found.query.still:
        return []
    where = f"{clock(best.query_s)} of the query and {clock(best.video_s)} of the video"
    return [f"the two frames most alike, {where}, have cosine {best.similarity:.2f}"]
