"""What a search is asked for: frozen records that check themselves, made before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vsearch.config import DEVICES, INDEX_MEMORY_BYTES, ReadConfig, Region, check_index_memory
from vsearch.errors import InputError

HITS = 10  # what a person looks through
THRESHOLDS = ("duplicate", "similar", "any")  # by falling probability, as a head's calibration sets them
GROUPS = ("video", "clip", "shot")
RECURRING_VIDEOS = 20  # that show the same, before it counts as a title or an advert

Limits = tuple[float | None, float | None]  # at least, at most
ANY: Limits = (None, None)


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """Which videos of a library a search may find: those for which everything named here holds.

    paths: folders, files or globs, as `Library.list` takes one; a path of the video must fit one of them. duration_s:
    (at least, at most). recorded: (first day, last day) on which the container says that it was recorded, else the
    file was last changed. size_bytes: of the file. lines: pixels of the shorter side. online: whether one of its paths
    was there when last looked for. not_in: videos that are left out, named as for `Library.info`. Raises InputError
    where a limit lies below the one before it.
    """

    paths: tuple[str, ...] = ()
    duration_s: Limits = ANY
    recorded: tuple[date | None, date | None] = (None, None)
    size_bytes: Limits = ANY
    lines: Limits = ANY
    online: bool | None = None
    not_in: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("duration_s", "recorded", "size_bytes", "lines"):
            low, high = getattr(self, name)
            if low is not None and high is not None and high < low:
                raise InputError(f"{name}: nothing lies between {low} and {high}")


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
    its pictures to use. where: the videos that may be found. clusters: groups of clips, as `Library.cluster` numbered
    them last; only what is in their clips may be found (none: everything).

    k: hits a query, at most (None: 10). per_video: hits in one video, at most, disjoint in it (None: 1, or with
    `all_above` or `group` any number). threshold: hits of a lower score are not shown, a number or one of `THRESHOLDS`
    (None: "similar", or 0 where min_similarity is given). all_above: a threshold as well, but instead of the best hits
    all are given. min_similarity: hits of a lower similarity are not shown (None: those that the threshold leaves; for
    a head that was not calibrated, or where there is no limit to hits in one video, the floor measured for it).
    group: "video" | "clip" | "shot": hits in the same one count as one, which the best stands for. views: whether a
    query that finds nothing plainly is asked again mirrored, and with the pictures found in its pictures.
    reversed_play: whether queries may run backwards as well. include_recurring: whether titles, adverts and the like
    (what `RECURRING_VIDEOS` videos show) count as much as all else. device: "auto" | "cpu" | "cuda".
    index_memory_bytes: what the index may take, where it has to be built first.
    """

    start_s: float | None = None
    end_s: float | None = None
    region: Region | None = None
    k: int | None = None
    per_video: int | None = None
    threshold: str | float | None = None
    all_above: str | float | None = None
    group: str | None = None
    where: VideoFilter = VideoFilter()
    clusters: tuple[int, ...] = ()
    min_similarity: float | None = None
    views: bool = True
    reversed_play: bool = False
    include_recurring: bool = False
    device: str = "auto"
    index_memory_bytes: int = INDEX_MEMORY_BYTES

    def __post_init__(self) -> None:
        for name in ("k", "per_video"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, not {value}")
        if any(number < 1 for number in self.clusters):
            raise InputError(f"clusters are numbered from 1: {', '.join(map(str, self.clusters))} cannot be")
        if self.all_above is not None and self.k is not None:
            raise InputError("ask for k hits or for all above a score, not for both")
        if self.group not in (None, *GROUPS):
            raise InputError(f"group must be one of {', '.join(GROUPS)}, not {self.group!r}")
        start, end = self.start_s, self.end_s
        if start is not None and end is not None and end <= start:
            raise InputError(f"the range of the query ends ({end:g} s) before it starts ({start:g} s)")
        floor = self.min_similarity
        if floor is not None and not 0 <= floor <= 1:
            raise InputError(f"min_similarity must be between 0 and 1, not {floor:g}")
        if self.threshold is not None and self.all_above is not None:
            raise InputError("all_above is a threshold already: give one of them")
        for name in ("threshold", "all_above"):
            value = getattr(self, name)
            if isinstance(value, str) and value not in THRESHOLDS:
                raise InputError(f"{name} must be a number or one of {', '.join(THRESHOLDS)}, not {value!r}")
            if isinstance(value, float | int) and not 0 <= value <= 1:
                raise InputError(f"{name} must be between 0 and 1, not {value:g}")
        if self.device not in DEVICES:
            raise InputError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        check_index_memory(self.index_memory_bytes)

    @property
    def hits(self) -> int | None:
        """How many hits, or groups of them, are given for a query at most; None: all."""
        return None if self.all_above is not None else self.k or HITS

    @property
    def places(self) -> int | None:
        """How many hits are sought in one video at most; None: all that are similar enough."""
        if self.per_video is None and self.all_above is None and self.group is None:
            return 1
        return self.per_video

    @property
    def read(self) -> ReadConfig:
        """How query files are decoded."""
        return ReadConfig(start_s=self.start_s, end_s=self.end_s, region=self.region)
