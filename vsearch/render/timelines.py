"""Hits as an editor counts them: frames of a source with a start timecode, at its true rate.

A hit is a range of seconds; a cut is the same range in whole frames, counted from the source's first. A source without
a timecode starts at 00:00:00:00, as editing programs take it. One whose rate they do not count at (5, 120, variable,
unknown) is counted at one that they do, by time, so that its frames stay where they are on the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from vsearch.db.records import VideoRecord
from vsearch.errors import InputError
from vsearch.records import Hit, display_path
from vsearch.timecode import Counting, can_drop, same_rate, standard_rate

RETIMED = 0.005  # a speed nearer to 1 than this is 1: less than alignment can tell
EDITING_RATES = tuple(
    Fraction(rate) for rate in ("24000/1001", 24, 25, "30000/1001", 30, "48000/1001", 48, 50, "60000/1001", 60)
)
UNKNOWN_RATE = Fraction(25)
FIRST_HOUR = "01:00:00:00"  # where the timelines of programmes begin


@dataclass(frozen=True, slots=True)
class Source:
    """A video as an editor counts it.

    path: absolute, bytes. start: the number that timecode gives its first frame; frames: how long it is. timecode,
    claimed_rate (frames a second) and reel: what the container says, None where it says nothing that can be used.
    """

    video_id: int
    path: bytes
    counting: Counting
    start: int
    frames: int
    timecode: str | None = None
    claimed_rate: Fraction | None = None
    reel: str | None = None

    @property
    def name(self) -> str:
        """The file's name, for people."""
        return PurePath(display_path(self.path)).name

    @property
    def exact(self) -> bool:
        """Whether it is counted at its own rate."""
        return self.claimed_rate is not None and same_rate(self.claimed_rate, self.counting.rate)

    def at(self, frame: int) -> str:
        """The timecode of a frame, counted from the first."""
        return self.counting.timecode(self.start + frame)


@dataclass(frozen=True, slots=True)
class Finds:
    """What one query found, best first."""

    query: str
    hits: Sequence[tuple[Hit, Source]]


@dataclass(frozen=True, slots=True)
class Cut:
    """A hit in whole frames: [first, stop) of its source, which fill `length` frames of a timeline at the same rate.

    speed: source frames a timeline frame: 2 for a query that shows the source twice as fast, 1 where none can be told;
    negative for one that shows it backwards, from `stop` to `first`.
    """

    query: str
    hit: Hit
    source: Source
    first: int
    stop: int
    length: int
    speed: float = 1.0


def source_of(video: VideoRecord) -> Source:
    """A stored video as an editor counts it. Raises InputError when no path of it is known."""
    if not video.paths:
        raise InputError(f"v{video.id} has no path that a list could name")
    facts, claimed = video.info.facts, video.info.frame_rate
    rate = editing_rate(claimed or UNKNOWN_RATE)
    counting = Counting(rate, drop=bool(facts.drop_frame) and can_drop(rate))
    start = _start(facts.timecode, claimed, counting)
    duration = (video.end_pts - video.start_pts) * video.info.time_base
    return Source(
        video_id=video.id,
        path=video.paths[0].absolute,
        counting=counting,
        start=start or 0,
        frames=max(1, counting.frames(duration)),
        timecode=facts.timecode if start is not None else None,
        claimed_rate=claimed,
        reel=facts.reel,
    )


def editing_rate(claimed: Fraction) -> Fraction:
    """The rate that editing programs would count at: the same, its smallest multiple, largest part, or the nearest."""
    standard = standard_rate(claimed)
    rate = standard if same_rate(claimed, standard) else claimed
    multiples = [one for one in EDITING_RATES if (one / rate).denominator == 1]
    parts = [one for one in reversed(EDITING_RATES) if (rate / one).denominator == 1]
    nearest = min(EDITING_RATES, key=lambda one: abs(one - rate))
    return [*multiples, *parts, nearest][0]


def _start(timecode: str | None, claimed: Fraction | None, counting: Counting) -> int | None:
    """The frame that a container's timecode names, which counts at the container's rate; None where it names none."""
    own = counting
    if claimed is not None and same_rate(claimed, standard_rate(claimed)):
        rate = standard_rate(claimed)
        own = Counting(rate, drop=counting.drop and can_drop(rate))
    try:
        return None if timecode is None else int(own.frame(timecode) * counting.rate // own.rate)
    except ValueError:
        return None


def cut(query: str, hit: Hit, source: Source) -> Cut:
    """A hit in frames of its source: at least one, none beyond its end."""
    counting = source.counting
    first = min(counting.frames(hit.start_s), source.frames - 1)
    stop = min(max(counting.frames(hit.end_s), first + 1), source.frames)
    speed = _speed(hit)
    length = max(1, round((stop - first) / abs(speed)))
    return Cut(query, hit, source, first, stop, length, speed)


def _speed(hit: Hit) -> float:
    """Seconds of the video a second of the query, negative where it plays backwards."""
    if hit.query_start_s is None or hit.query_end_s is None or hit.query_end_s <= hit.query_start_s:
        return 1.0
    speed = (hit.end_s - hit.start_s) / (hit.query_end_s - hit.query_start_s)
    retimed = speed > 0 and abs(speed - 1) > RETIMED
    return (speed if retimed else 1.0) * (-1 if hit.rate < 0 else 1)


def hit_fields(hit: Hit) -> dict[str, Any]:
    """A hit under the names that `search --json` gives its fields."""
    return {json_name(field.name): getattr(hit, field.name) for field in fields(hit)}


def json_name(name: str) -> str:
    """The name in JSON of a field of a record: seconds are spelt out."""
    return f"{name.removesuffix('_s')}_seconds" if name.endswith("_s") else name


def decimal(number: Fraction | float) -> str:
    """A rate or speed for people: 25, 29.97, 23.976."""
    return f"{float(number):.3f}".rstrip("0").rstrip(".")
