"""SMPTE timecode: frames counted as hours, minutes, seconds and frames, exact in integers. Pure.

A timecode names frames, not times. At 23.976, 29.97 or 59.94 frames a second it counts 24, 30 or 60 a second and so
falls behind the clock by 0.1%. Drop-frame counting, at multiples of 29.97 only, catches up: it leaves out the first two
numbers (of 30; four of 60) of every minute that is not a tenth, never a frame. After 24 hours the count begins again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

_NTSC = Fraction(1000, 1001)
_FASTEST = 1000  # frames a second; above, whole rates and their 1000/1001 can no longer be told apart
_SAME_RATE = Fraction(1, 4000)  # relative: what containers round away; 29.97 and 30 are four times as far apart
_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})[:;.](\d{2,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Counting:
    """How frames are numbered: `rate`, the true frames a second, whole or whole * 1000/1001, and if drop-frame.

    Raises ValueError for other rates, and for drop-frame at rates that are no multiple of 30000/1001.
    """

    rate: Fraction
    drop: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= _FASTEST or self.rate not in (self.base, self.base * _NTSC):
            raise ValueError(f"timecode cannot count {self.rate} frames a second: use standard_rate() of it")
        if self.drop and not can_drop(self.rate):
            raise ValueError(f"drop-frame timecode counts multiples of 30000/1001 frames a second, not {self.rate}")

    @property
    def base(self) -> int:
        """Numbers a second: 30 for 29.97."""
        return ceil(self.rate)

    @property
    def day(self) -> int:
        """Frames until the count begins again."""
        return 144 * self._ten_minutes

    @property
    def _dropped(self) -> int:
        """Numbers left out of a minute that is not a tenth."""
        return self.base // 15 if self.drop else 0

    @property
    def _ten_minutes(self) -> int:
        return 600 * self.base - 9 * self._dropped

    def timecode(self, frame: int) -> str:
        """`HH:MM:SS:FF` of a frame, with `;` before the frames when drop-frame; frame 0 is 00:00:00:00."""
        tens, rest = divmod(frame % self.day, self._ten_minutes)
        number = 600 * self.base * tens + rest
        if rest >= 60 * self.base:  # the tenth minute is whole; each one after it lacks its first numbers
            minutes = 1 + (rest - 60 * self.base) // (60 * self.base - self._dropped)
            number += self._dropped * minutes
        seconds, frames = divmod(number, self.base)
        minutes, seconds = divmod(seconds, 60)
        digits = len(str(self.base - 1))
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{';' if self.drop else ':'}{frames:0{max(2, digits)}}"

    def frame(self, timecode: str) -> int:
        """The frame that a timecode names; its last separator is not looked at.

        Raises ValueError for what is no timecode, or a number that this counting does not have.
        """
        found = _TIMECODE.fullmatch(timecode)
        if found is None:
            raise ValueError(f"{timecode!r} is no timecode: expected HH:MM:SS:FF")
        hours, minutes, seconds, frames = map(int, found.groups())
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= self.base:
            raise ValueError(f"{timecode!r} is no timecode of {self.base} frames a second")
        if minutes % 10 and not seconds and frames < self._dropped:
            raise ValueError(f"{timecode!r} does not exist: drop-frame timecode leaves it out")
        whole = 60 * hours + minutes
        return (60 * whole + seconds) * self.base + frames - self._dropped * (whole - whole // 10)

    def frames(self, seconds: Fraction | float) -> int:
        """How many frames last so long, to the nearest."""
        return floor(Fraction(seconds) * self.rate + Fraction(1, 2))


def can_drop(rate: Fraction) -> bool:
    """Whether there is drop-frame timecode at this rate."""
    return (rate / (30 * _NTSC)).denominator == 1


def standard_rate(rate: Fraction) -> Fraction:
    """The rate nearest to `rate` that timecode can count: whole, or whole * 1000/1001, up to 1000."""
    base = min(max(1, floor(rate)), _FASTEST - 1)
    candidates = [one * share for one in (base, base + 1) for share in (Fraction(1), _NTSC)]
    return min(candidates, key=lambda one: abs(one - rate))


def same_rate(first: Fraction, second: Fraction) -> bool:
    """Whether two rates differ by no more than containers round away (19001/317 is 59.94)."""
    return abs(first - second) <= _SAME_RATE * max(first, second)
