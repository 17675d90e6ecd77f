"""Which videos of a library a search may find: a `VideoFilter` as conditions of SQL, and globs over what they leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from math import ceil, floor
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, case, false, func, or_, select
from sqlalchemy.orm import aliased

from vsearch.db.tables import FilePath, Video
from vsearch.request import Limits, VideoFilter

_NS = 1_000_000_000
_COPY = aliased(FilePath)  # in subqueries, whatever the query around them joins
_COPIES = select(_COPY.id).where(_COPY.video_id == Video.id)
_ONLY_A_YEAR = func.length(Video.recorded_at) == 4


def conditions(wanted: VideoFilter, time_bases: Sequence[Fraction]) -> Iterator[ColumnElement[bool]]:
    """What must hold for a row of `video`; nothing for an empty filter. Paths and names of videos are not among it.

    time_bases: all that the library's videos have. There are few, so that durations are compared in exact ticks.
    """
    if wanted.duration_s != (None, None):
        yield or_(false(), *(_duration(base, wanted.duration_s) for base in time_bases))
    if wanted.online is not None:
        here = _COPIES.where(_COPY.online.is_(True)).exists()
        yield here if wanted.online else ~here
    yield from _between(Video.size_bytes, wanted.size_bytes)
    yield from _between(case((Video.width < Video.height, Video.width), else_=Video.height), wanted.lines)
    yield from _recorded(*wanted.recorded)


def _between(value: SQLColumnExpression[Any], limits: Limits) -> Iterator[ColumnElement[bool]]:
    low, high = limits
    if low is not None:
        yield value >= low
    if high is not None:
        yield value <= high


def _duration(time_base: Fraction, limits: Limits) -> ColumnElement[bool]:
    """Whether a video of this time base is as long."""
    low, high = limits
    ticks = (
        None if low is None else ceil(Fraction(low) / time_base),
        None if high is None else floor(Fraction(high) / time_base),
    )
    return and_(Video.time_base == time_base, *_between(Video.end_pts - Video.start_pts, ticks))


def _recorded(first: date | None, last: date | None) -> Iterator[ColumnElement[bool]]:
    """The day that the container names, in its own zone, or any day of the year that is all it names; where it names
    nothing, the day (UTC) on which one of the files was last changed."""
    if first is None and last is None:
        return
    from_ = first or date.min
    changed = [_COPY.mtime_ns >= _start_ns(from_)] if first else []
    earliest = case((_ONLY_A_YEAR, Video.recorded_at + "-01-01"), else_=func.substr(Video.recorded_at, 1, 10))
    latest = case((_ONLY_A_YEAR, Video.recorded_at + "-12-31"), else_=func.substr(Video.recorded_at, 1, 10))
    named = [latest >= first.isoformat()] if first else []
    if last is not None:
        changed.append(_COPY.mtime_ns < _start_ns(last, days=1))
        named.append(earliest <= last.isoformat())
    told = Video.recorded_at.is_not(None)
    yield or_(and_(told, *named), and_(~told, _COPIES.where(*changed).exists()))


def _start_ns(day: date, *, days: int = 0) -> int:
    """When a day begins, or one so many days later, as far as 64 bits go."""
    start_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + days * 86_400
    return min(max(start_s * _NS, -(1 << 63)), (1 << 63) - 1)
