"""Cuts as CMX 3600 edit decision lists, which every editing program reads.

The format's limits decide the rest: one frame rate a list, 999 events, eight letters for a reel, tenths of a frame a
second for speeds. Only title and frame code mode stand before the first event: some readers take no comment there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath

from vsearch.records import Hit, display_path
from vsearch.render.timelines import FIRST_HOUR, Cut, Finds, Source, cut, decimal
from vsearch.text import clock, printable
from vsearch.timecode import Counting

MOST_EVENTS = 999
TITLE_CHARS = 70
REEL_CHARS = 8
RESERVED_REELS = ("AX", "BL", "BLACK", "BARS")  # no tape, black, colour bars
LINE_END = "\r\n"


@dataclass(frozen=True, slots=True)
class EditList:
    """Cuts of sources of one rate, one after the other. `number`: which of the lists of that rate, from 1."""

    rate: Fraction
    number: int
    cuts: list[Cut]

    @property
    def label(self) -> str:
        """`29.97fps`, `29.97fps-2`: what its name says beside those of other lists."""
        return f"{decimal(self.rate)}fps" + (f"-{self.number}" if self.number > 1 else "")

    @property
    def record(self) -> Counting:
        """How its timeline is counted: as its first source is."""
        return self.cuts[0].source.counting

    def has_room_for(self, one: Cut) -> bool:
        """Whether a cut can follow, before the timecode of the timeline would begin again."""
        length = sum(other.length for other in self.cuts)
        end = self.record.frame(FIRST_HOUR) + length + one.length
        return len(self.cuts) < MOST_EVENTS and end < self.record.day


def edit_lists(finds: Iterable[Finds]) -> list[EditList]:
    """The hits in as few lists as the format allows, each in order; that of the first hit is the first."""
    lists: dict[Fraction, list[EditList]] = {}
    for one in finds:
        for hit, source in one.hits:
            made = cut(one.query, hit, source)
            rate = made.source.counting.rate
            of_rate = lists.setdefault(rate, [])
            if of_rate and of_rate[-1].has_room_for(made):
                of_rate[-1].cuts.append(made)
            else:
                of_rate.append(EditList(rate, len(of_rate) + 1, [made]))
    return [one for of_rate in lists.values() for one in of_rate]


def edl_text(title: str, cuts: Sequence[Cut]) -> str:
    """A list of cuts of sources of one rate; at most 999 of them.

    An FCM line before an event says how its source is counted, where that changes; the timeline is counted as the first
    source is. Timecodes say it again: `;` before the frames of drop-frame ones.
    """
    name = printable(title)
    if not cuts:
        return LINE_END.join([f"TITLE: {name[:TITLE_CHARS]}", _mode(drop=False), ""])
    rate = f" ({decimal(cuts[0].source.counting.rate)} fps)"
    lines = [f"TITLE: {name[: TITLE_CHARS - len(rate)]}{rate}"]
    reels, record = _reels([one.source for one in cuts]), cuts[0].source.counting
    place, drop = record.frame(FIRST_HOUR), None
    for number, one in enumerate(cuts, 1):
        if one.source.counting.drop is not drop:
            drop = one.source.counting.drop
            lines.append(_mode(drop=drop))
        times = (one.source.at(one.first), one.source.at(one.stop))
        places = (record.timecode(place), record.timecode(place + one.length))
        reel = reels[_reel_of(one.source)]
        lines.append(f"{number:03}  {reel:{REEL_CHARS}} V     C        {' '.join((*times, *places))}")
        lines += _notes(one, reel)
        place += one.length
    return LINE_END.join([*lines, ""])


def _mode(*, drop: bool) -> str:
    return f"FCM: {'' if drop else 'NON-'}DROP FRAME"


def _notes(one: Cut, reel: str) -> Iterator[str]:
    """What stands below an event: its speed, the names that the format cuts short, and why it is here."""
    source, hit = one.source, one.hit
    if one.speed != 1:
        # Some readers take digits and colons only here; the frame code mode above says how to count.
        entry = source.at(one.first).replace(";", ":")
        speed = one.speed * float(source.counting.rate)
        digits = f"{'-' if speed < 0 else ''}{abs(speed):05.1f}"  # negative: backwards
        yield f"M2   {reel:{REEL_CHARS}}       {digits}                {entry}"
    yield f"* FROM CLIP NAME: {printable(source.name)}"
    yield f"* SOURCE FILE: {printable(display_path(source.path))}"
    if source.reel is not None and source.reel != reel:
        yield f"* REEL {reel} IS: {printable(source.reel)}"
    if source.timecode is None:
        yield "* VSEARCH TIMECODE: NONE THAT FITS IN THE FILE, COUNTED FROM 00:00:00:00"
    if not source.exact:
        claimed = "UNKNOWN" if source.claimed_rate is None else f"{decimal(source.claimed_rate)} FPS"
        yield f"* VSEARCH RATE: {claimed}, COUNTED AS {decimal(source.counting.rate)} FPS"
    yield f"* VSEARCH QUERY: {printable(one.query)}{_asked(hit)}"
    place = f"v{hit.video_id}" if hit.clip_id is None else f"v{hit.video_id}, c{hit.clip_id}"
    score = f"SCORE {hit.score:.3f} ({hit.score_kind.upper()})"
    yield f"* VSEARCH HIT: RANK {hit.rank}, {place}, SIMILARITY {hit.similarity:.3f}, {score}"


def _asked(hit: Hit) -> str:
    """The range of the query that a hit answers, if the query has times."""
    if hit.query_start_s is None or hit.query_end_s is None:
        return ""
    return f" {clock(hit.query_start_s)} - {clock(hit.query_end_s)}"


def _reel_of(source: Source) -> tuple[str, str | int]:
    """What tells one reel from another: two files of one tape share it, two files of one name do not."""
    return ("tape", source.reel) if source.reel is not None else ("video", source.video_id)


def _reels(sources: Iterable[Source]) -> dict[tuple[str, str | int], str]:
    """A name of up to eight capitals, digits and underscores for every reel, no two alike.

    From the container's reel, or else the file's name without its suffix; numbered where the short forms are alike.
    """
    names: dict[tuple[str, str | int], str] = {}
    for source in sources:
        key = _reel_of(source)
        if key not in names:
            whole = source.reel if source.reel is not None else PurePath(source.name).stem
            names[key] = _short(whole, {*names.values(), *RESERVED_REELS})
    return names


def _short(name: str, taken: set[str]) -> str:
    """A reel name as near to `name` as can be that is not taken."""
    plain = re.sub(r"[^A-Z0-9_]+", "_", name.upper()).strip("_")[:REEL_CHARS] or "REEL"
    number, short = 1, plain
    while short in taken:
        number += 1
        short = f"{plain[: REEL_CHARS - len(str(number)) - 1]}_{number}"
    return short
