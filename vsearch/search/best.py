"""Which of several copies to keep, by rules that can be read: docs/search.md lists them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vsearch.db.records import VideoRecord
from vsearch.search.duplicates import SharedPair
from vsearch.text import span

LATER = "9999"  # than any recording date


@dataclass(frozen=True, slots=True)
class _Rule:
    """Lower is better. `says`: why the best of several is, given its record."""

    key: Callable[[VideoRecord], Any]
    says: Callable[[VideoRecord], str]


def ranked(videos: Iterable[VideoRecord], pairs: Sequence[SharedPair]) -> tuple[list[VideoRecord], str]:
    """The videos of a group, best copy first, and why that one is: the first rule that tells it from the second.

    pairs: of this group.
    """
    parts = {pair.inner for pair in pairs}
    rules = (
        _Rule(lambda video: video.state != "ok", lambda video: "the only one that decodes to its end"),
        _Rule(lambda video: video.id in parts, lambda video: "not a part of another one"),
        _Rule(lambda video: -_pixels(video), lambda video: f"the most pixels ({video.info.width}x{video.info.height})"),
        _Rule(lambda video: -_bit_rate(video), lambda video: f"the highest bit rate ({_bit_rate(video):,} kbit/s)"),
        _Rule(lambda video: -round(video.duration_s, 1), lambda video: f"the longest ({span(video.duration_s)})"),
        _Rule(_recorded, lambda video: f"recorded first ({_recorded(video)})"),
        _Rule(lambda video: video.id, lambda video: "indexed first"),
    )
    order = sorted(videos, key=lambda video: [rule.key(video) for rule in rules])
    if len(order) < 2:
        return order, "the only one"
    best, second = order[:2]
    return order, next(rule.says(best) for rule in rules if rule.key(best) != rule.key(second))


def _pixels(video: VideoRecord) -> int:
    return video.info.width * video.info.height


def _bit_rate(video: VideoRecord) -> int:
    """Of the whole file, in kbit/s; of a picture, which lasts no time, its size stands for it."""
    return round(video.identity.size_bytes * 8 / 1000 / (video.duration_s if video.duration_s > 0 else 1.0))


def _recorded(video: VideoRecord) -> str:
    return video.info.facts.recorded_at or LATER
