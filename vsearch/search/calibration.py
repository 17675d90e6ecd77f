"""From similarities to probabilities: how likely it is that a segment shows the same material. Pure numpy.

Some pictures resemble everything (a talking head, a dark room), others nothing. What a query reaches against
*background* frames, which show something else by construction, tells its own level (score normalisation, as in Pizzi et
al., arXiv 2202.10261). A logistic model, fitted on generated pairs (`vsearch.calibrating`), turns the similarity, that
level, the support of a segment and its structure (`structure`) into a probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.records import Segment
from vsearch.request import THRESHOLDS
from vsearch.search.gallery import Gallery, Track
from vsearch.search.queries.base import QueryFrames
from vsearch.search.structure import Structure, query_rows, structure_of

if TYPE_CHECKING:
    from vsearch.search.details import Likeness, Motion

SAMPLED_ABOVE = 5000  # frames of a library from which on its own are background as well
LEAST_VARIETY = 0.01  # below, footage stands still, however still
OWN_S = 1.0  # of a match, besides what recurs, that make it worth all of its probability
NEIGHBOURS = 8  # background frames that tell the level of a query frame
FEATURES = ("constant", "similarity", "level", "seconds", "support", "variety", "agreement", "motion", "view")
ALWAYS = 5  # of the features, which every calibration weighs; earlier ones knew no others
LOOK_FEATURES = ("constant", "odds", "odds moving", "alike", "alike moving", "found", "asked", "agreement", "moves")
MOST_ODDS = 12.0  # (the logarithm of) that a probability is taken for
MOVES = 3.0  # grey levels by which a picture changes that moves
RICH = 20.0  # details of a picture, of which a copy's have some in common, nearly always
UNALIKE = 0.68  # the probability, at most, where pictures so rich have none (docs/search.md)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Frames that show something else than most queries. vectors: (n, d) float32, unit length; owners: (n,) int64, ids
    of the library's videos that they are of, 0 for those that come with the head.
    """

    vectors: NDArray[np.float32]
    owners: NDArray[np.int64]

    @staticmethod
    def of(vectors: NDArray[np.float32], gallery: Gallery, ids: NDArray[np.int64]) -> Background:
        """The frames that come with a head, mixed with some of a large library's. ids: of all its frames."""
        background = Background(vectors, np.zeros(len(vectors), np.int64))
        if len(ids) <= SAMPLED_ABOVE:
            return background
        return background.with_sample(*gallery.sample(ids, len(vectors) // 2))

    def level(self, vectors: NDArray[np.float32], weights: NDArray[np.float32], *, without: int = 0) -> float:
        """The mean cosine of query frames (m, d) with their nearest background frames, by the frames' weights (m,).

        without: a video whose own frames are left out.
        """
        counted = self.vectors if not without else self.vectors[self.owners != without]
        cosines = vectors @ counted.T
        k = min(NEIGHBOURS, cosines.shape[1])
        nearest = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:].mean(axis=1)
        return float(np.average(nearest, weights=weights))

    def with_sample(self, vectors: NDArray[np.float32], owners: NDArray[np.int64]) -> Background:
        """Every second frame given up for one of the library's own, as far as there are: with more frames in all, the
        level of everything would be higher than the calibration has seen.
        """
        n = min(len(vectors), len(self.vectors) // 2)
        kept = np.ones(len(self.vectors), bool)
        kept[1 : 2 * n : 2] = False
        return Background(
            np.concatenate([self.vectors[kept], vectors[:n]]), np.concatenate([self.owners[kept], owners[:n]])
        )


@dataclass(frozen=True, slots=True)
class Looks:
    """What pictures say beyond vectors. weights: of `LOOK_FEATURES`, in this order. thresholds: from which probability
    on a hit whose pictures were looked at is called what they say.
    """

    weights: tuple[float, ...]
    thresholds: Mapping[str, float]

    @property
    def unalike(self) -> float:
        """What rich pictures with nothing in common are worth at most: never `duplicate`."""
        return min(UNALIKE, 0.99 * self.thresholds.get("duplicate", 1.0))

    def judged(self, segment: Segment, alike: Likeness, motion: Motion) -> Segment:
        """The segment with the probability after its pictures were compared in place of the one before."""
        probable = float(probability(look_features(segment, alike, motion) @ np.array(self.weights)))
        if alike.alike == 0 and min(alike.asked, alike.found) >= RICH:
            probable = min(probable, self.unalike)
        return replace(segment, score=probable * segment.own, details=alike.alike)


@dataclass(frozen=True, slots=True)
class Calibration:
    """weights: of `FEATURES`, in this order. thresholds: from which probability on a hit is called what they say.
    looks: the same after pictures were compared (None: nobody measured what they say).
    """

    weights: tuple[float, ...]
    thresholds: Mapping[str, float]
    looks: Looks | None = None

    @classmethod
    def read(cls, search: Mapping[str, Any]) -> Calibration | None:
        """What a head's card says under `search`; None for a head that was not calibrated. What another version says of
        pictures is left out. Raises LatentError.
        """
        stored = search.get("calibration")
        if stored is None:
            return None
        try:
            known = {"weights": {**dict.fromkeys(FEATURES[ALWAYS:], 0.0), **stored["weights"]}}
            looks = stored.get("looks")
            known_here = looks is not None and set(looks["weights"]) == set(LOOK_FEATURES)  # of this version
            return cls(
                *_weights_and_thresholds({**stored, **known}, FEATURES),
                Looks(*_weights_and_thresholds(looks, LOOK_FEATURES)) if known_here else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LatentError(f"the head's calibration is malformed: {error!r}") from error

    def least(self, threshold: str | float) -> float:
        """The probability that is meant by one of `THRESHOLDS`, or by itself."""
        return self.thresholds[threshold] if isinstance(threshold, str) else threshold

    def least_looked(self, threshold: str | float) -> float:
        """The same of hits whose pictures were looked at."""
        thresholds = self.thresholds if self.looks is None else self.looks.thresholds
        return thresholds[threshold] if isinstance(threshold, str) else threshold

    def as_json(self) -> dict[str, Any]:
        """What `read` reads."""
        looks = {} if self.looks is None else {"looks": _as_json(LOOK_FEATURES, self.looks)}
        return {**_as_json(FEATURES, self), **looks}

    def calibrated(self, segment: Segment, level: float, structure: Structure, *, view: bool = False) -> Segment:
        """The segment with its probability in place of its score."""
        odds = features(segment, level, structure, view=view) @ np.array(self.weights)
        return replace(segment, score=float(probability(odds)))


@dataclass(frozen=True, slots=True)
class Judge:
    """Gives the segments of queries their probabilities."""

    calibration: Calibration
    background: Background

    def besides(self, video_id: int) -> Judge:
        """The same without the frames of a video that asks itself: its level is what it reaches against others."""
        other = self.background.owners != video_id
        if other.all():
            return self
        return Judge(self.calibration, Background(self.background.vectors[other], self.background.owners[other]))

    def of(self, query: QueryFrames) -> Callable[[Track, Segment], Segment]:
        """For one query, its informative frames: what calibrates its segment in a video."""
        sampled = set(self.background.owners.tolist())

        @cache
        def level(without: int) -> float:
            return self.background.level(query.vectors, query.weights, without=without)

        def calibrated(track: Track, segment: Segment) -> Segment:
            there = level(track.video_id if track.video_id in sampled else 0)
            structure = structure_of(query, track, segment)
            probable = self.calibration.calibrated(segment, there, structure, view=bool(query.view))
            own = own_share(query, segment)
            return replace(probable, score=probable.score * own, own=own)

        return calibrated


def uncalibrated(track: Track, segment: Segment) -> Segment:
    """The segment as it is, for heads that give no probabilities."""
    return segment


def own_share(query: QueryFrames, segment: Segment) -> float:
    """What a probability is worth for ranking: 1, but where next to nothing was matched that does not recur in many
    videos (see `engine.discounted`) the weight of what does. Half of `OWN_S` seconds of its own are worth a half.
    """
    rows = query_rows(query, segment)
    least = float(query.weights[rows].min())
    if least >= 1.0:
        return 1.0
    interval_s = query.duration_s / max(1, len(query.times_s))
    own_s = float((query.weights[rows] >= 1.0).sum()) * interval_s
    return float(np.clip(own_s / OWN_S, least, 1.0))


def features(segment: Segment, level: float, structure: Structure, *, view: bool) -> Floats:
    """(9,) what the probability is told by, as `FEATURES` names them: 1, the mean cosine, the background's, log(1 +
    matched seconds of the query), the log of the share that the uncalibrated score keeps of the similarity, the log of
    the variety, agreement and motion, and whether the query had to be looked at otherwise.
    """
    share = segment.score / segment.similarity if segment.similarity > 0 else 0.0
    seconds = segment.query_end_s - segment.query_start_s
    how_long = [np.log1p(seconds), np.log(np.clip(share, 0.05, 1.0))]
    own = [np.log(structure.variety + LEAST_VARIETY), structure.agreement, structure.motion]
    return np.array([1.0, segment.similarity, level, *how_long, *own, float(view)])


def look_features(segment: Segment, alike: Likeness, motion: Motion) -> Floats:
    """(9,) what the probability is told by once pictures were compared, as `LOOK_FEATURES` names them: 1; the log odds
    from vectors alone, and log(1 + details alike), each apart for footage that moves, of which both say less; log(1 +
    details) of the video's and of the query's pictures; whether what changes agrees, and whether anything does.
    """
    chance = float(np.clip(segment.score / segment.own, 1e-9, 1 - 1e-9))
    odds = float(np.clip(np.log(chance / (1 - chance)), -MOST_ODDS, MOST_ODDS))
    alone, found, asked = np.log1p([alike.alike, alike.found, alike.asked]).tolist()
    moves = float(motion.change > MOVES)
    still = 1.0 - moves
    said = [still * odds, moves * odds, still * alone, moves * alone, found, asked, motion.agreement, moves]
    return np.array([1.0, *said])


def probability(odds: Floats) -> Floats:
    """Of these logarithms of odds, of any shape."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


def _weights_and_thresholds(
    stored: Mapping[str, Any], names: Sequence[str]
) -> tuple[tuple[float, ...], Mapping[str, float]]:
    """Raises KeyError, TypeError, ValueError for what is missing or means nothing."""
    weights = tuple(float(stored["weights"][name]) for name in names)
    thresholds = {name: float(stored["thresholds"][name]) for name in THRESHOLDS}
    if not all(0 <= value <= 1 for value in thresholds.values()) or not np.isfinite(weights).all():
        raise ValueError("weights or thresholds out of range")
    return weights, thresholds


def _as_json(names: Sequence[str], fit: Calibration | Looks) -> dict[str, Any]:
    weights = {name: round(value, 5) for name, value in zip(names, fit.weights, strict=True)}
    return {"weights": weights, "thresholds": dict(fit.thresholds)}


def fitted(rows: Floats, same: NDArray[np.bool_], *, ridge: float = 1e-2, steps: int = 50) -> Floats:
    """Weights (f,) of the logistic model of rows (n, f) that shows the same material where `same` says so.

    Newton's method with a small ridge, so that what separates perfectly stays finite; both classes count alike. Raises
    ValueError without rows of both kinds.
    """
    if same.all() or not same.any():
        raise ValueError("a fit needs pairs of the same material and of other material")
    counted = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum()) * len(rows)
    weights = np.zeros(rows.shape[1])
    penalty = ridge * np.diag([0.0] + [1.0] * (rows.shape[1] - 1))
    for _ in range(steps):
        chance = probability(rows @ weights)
        slope = rows.T @ (counted * (same - chance)) - penalty @ weights
        curve = (rows * (counted * np.maximum(chance * (1 - chance), 1e-9))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curve, slope)
        weights = weights + step * min(1.0, 2.0 / max(1e-12, np.abs(step).max()))
    return weights
