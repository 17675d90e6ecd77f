"""Limits that people type, MIN..MAX with either end open: of durations, days, sizes and lines."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date

import typer

from vsearch.request import ANY, Limits

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_limits(option: str, text: str | None, one: Callable[[str], float]) -> Limits:
    """(at least, at most) from `10..60`, `10..` or `..60`, each end read by `one`. Raises BadParameter."""
    if text is None:
        return ANY
    low, dots, high = (part.strip() for part in text.partition(".."))
    if not dots or not (low or high):
        raise typer.BadParameter(f"{option} takes MIN..MAX, MIN.. or ..MAX, not {text!r}")
    limits = one(low) if low else None, one(high) if high else None
    if limits[0] is not None and limits[1] is not None and limits[1] < limits[0]:
        raise typer.BadParameter(f"{option}: nothing lies in {text!r}")
    return limits


def parse_days(option: str, text: str | None) -> tuple[date | None, date | None]:
    """(first day, last day) from `2019`, `2019-05..2020`, `2019-05-01..`. Raises BadParameter."""
    if text is None:
        return None, None
    low, dots, high = (part.strip() for part in text.partition(".."))
    days = _days(low)[0] if low else None, _days(high if dots else low)[1] if (high or not dots) else None
    if days == (None, None) or (days[0] is not None and days[1] is not None and days[1] < days[0]):
        raise typer.BadParameter(f"{option}: nothing lies in {text!r}")
    return days


def parse_size(text: str) -> float:
    """Bytes from `1500`, `100MB` or `1.5 GB`, decimal as disks are sold. Raises BadParameter."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size: write bytes, or 100MB, 1.5GB")
    return float(found[1]) * _UNITS[found[2]]


def parse_lines(text: str) -> float:
    """Lines of a picture from `720` or `720p`. Raises BadParameter."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})p?", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no number of lines: write 720 or 1080p")
    return float(found[1])


def _days(text: str) -> tuple[date, date]:
    """The first and the last day of a year, a month or a day. Raises BadParameter."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", text)
    try:
        if found is None:
            raise ValueError
        year, month, day = (int(part) if part else None for part in found.groups())
        first = date(year or 0, month or 1, day or 1)
        last = date(first.year, month or 12, day or monthrange(first.year, month or 12)[1])
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: write 2019, 2019-05 or 2019-05-01") from None
    return first, last
