"""What a search is asked for: frozen records that check themselves, made before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsearch.config import DEVICES, ReadConfig, Region
from vsearch.errors import InputError

HITS = 10  # what a person looks through
THRESHOLDS = ("duplicate", "similar", "any")  # by falling probability, as a head's calibration sets them


@dataclass(frozen=True, slots=True)
class Examples:
    """Several examples as one query: what is like any of `like`, and like none of `unlike`.

    Each as `Library.search` takes queries. Raises InputError without an example to be like.
    """

    like: tuple[Path | str, ...]
    unlike: tuple[Path | str, ...] = ()

    def __post_init__(self) -> None:
        if not self.like:
            raise InputError("name at least one example of what is looked for (--like), not only what it is unlike")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """How queries are read and what of the library is given back. Raises InputError for values that mean nothing.

    start_s, end_s: the range of each query to use, in seconds (None: from its start, to its end). region: the part of
    its pictures to use. k: hits a query, at most. per_video: hits in one video, at most, disjoint in it.
    threshold: hits of a lower score are not shown, a number or one of `THRESHOLDS` (None: "similar", or 0 where
    min_similarity is given). min_similarity: hits of a lower similarity are not shown (None: those that the threshold
    leaves; for a head that was not calibrated, the floor measured for it). views: whether a query that finds nothing
    plainly is asked again mirrored, and with the pictures found in its pictures. device: "auto" | "cpu" | "cuda".
    """

    start_s: float | None = None
    end_s: float | None = None
    region: Region | None = None
    k: int = HITS
    per_video: int = 1
    threshold: str | float | None = None
    min_similarity: float | None = None
    views: bool = True
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("k", "per_video"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        start, end, floor = self.start_s, self.end_s, self.min_similarity
        if start is not None and end is not None and end <= start:
            raise InputError(f"the range of the query ends ({end:g} s) before it starts ({start:g} s)")
        if floor is not None and not 0 <= floor <= 1:
            raise InputError(f"min_similarity must be between 0 and 1, not {floor:g}")
        if isinstance(self.threshold, str) and self.threshold not in THRESHOLDS:
            raise InputError(f"threshold must be a number or one of {', '.join(THRESHOLDS)}, not {self.threshold!r}")
        if isinstance(self.threshold, float | int) and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold must be between 0 and 1, not {self.threshold:g}")
        if self.device not in DEVICES:
            raise InputError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")

    @property
    def read(self) -> ReadConfig:
        """How query files are decoded."""
        return ReadConfig(start_s=self.start_s, end_s=self.end_s, region=self.region)
