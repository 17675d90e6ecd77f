"""Tables and JSON on stdout, and the times and rates that people type."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import typer

from vsearch.config import EXPORT_SUFFIXES, LEAST_PREVIEW_PIXELS, MOST_PREVIEW_PIXELS, Region
from vsearch.errors import InputError
from vsearch.request import THRESHOLDS
from vsearch.text import printable, seconds_of


def table(rows: Sequence[Sequence[str]], *, head: Sequence[str] = (), right: Sequence[int] = ()) -> list[str]:
    """Lines with aligned columns (`right`: these to the right), the last column as wide as it likes."""
    rows = [[printable(cell) for cell in row] for row in ([head, *rows] if head else rows)]
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths, set(right))).rstrip() for row in rows]


def cells(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian letters two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line of stdout, in ASCII where the terminal's encoding asks for it."""
    ascii_only = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
    typer.echo(json.dumps(value, ensure_ascii=ascii_only, allow_nan=False))


def parse_time(text: str) -> float:
    """Seconds from `12.5`, `1:02.5` or `1:02:03.5`. Raises BadParameter."""
    time_s = seconds_of(text)
    if time_s is None:
        raise typer.BadParameter(f"{text!r} is no time: write seconds (12.5) or h:mm:ss.s")
    return time_s


def parse_rate(text: str) -> Fraction:
    """A rate as a fraction from `1`, `0.5` or `30000/1001`. Raises BadParameter."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is no rate: write 1, 0.5 or 30000/1001") from None
    if rate <= 0:
        raise typer.BadParameter(f"{text!r} must be above 0")
    return rate


def parse_region(text: str | Region) -> Region:
    """A part of a picture from `320,180,640,360` or `10%,20%,50%,50%`. Raises BadParameter."""
    try:
        return Region.parse(str(text))
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def parse_threshold(text: str, option: str = "--threshold") -> str | float:
    """A probability, or the name of one. Raises BadParameter, which names the option."""
    if text in THRESHOLDS:
        return text
    try:
        chance = float(text)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        names = ", ".join(THRESHOLDS)
        raise typer.BadParameter(f"{text!r} is neither a number from 0 to 1 nor one of {names}", param_hint=option)
    return chance


def parse_export(text: str | Path) -> Path:
    """A file to export hits to. Raises BadParameter for a suffix that says nothing."""
    path = Path(text)
    if path.suffix.lower() not in EXPORT_SUFFIXES:
        raise typer.BadParameter(f"{path.name!r} does not say what to write: end it in {', '.join(EXPORT_SUFFIXES)}")
    return path


def parse_pixels(text: str | int) -> int:
    """A number of pixels from `36864` or `256x144`. Raises BadParameter, also beyond what previews can be."""
    sides = re.fullmatch(r"([1-9][0-9]{0,6})(?:[xX×]([1-9][0-9]{0,6}))?", str(text).strip())
    if sides is None:
        raise typer.BadParameter(f"{text!r} is no size: write pixels (36864) or WIDTHxHEIGHT (256x144)")
    pixels = int(sides[1]) * int(sides[2] or 1)
    if not LEAST_PREVIEW_PIXELS <= pixels <= MOST_PREVIEW_PIXELS:
        limits = f"from {LEAST_PREVIEW_PIXELS:,} (64x64) to {MOST_PREVIEW_PIXELS:,} (1024x1024)"
        raise typer.BadParameter(f"{text!r} is {pixels:,} pixels: a preview has {limits}")
    return pixels


def _padded(row: Sequence[str], widths: Sequence[int], right: set[int]) -> list[str]:
    spaces = [" " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)]
    return [
        space + cell if i in right else cell + space for i, (cell, space) in enumerate(zip(row, spaces, strict=True))
    ]


def parse_memory(text: str | int) -> int:
    """Bytes from `2G`, `512M`, `64K` (powers of 1024) or plain digits. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no amount of memory: write 2G, 512M or bytes")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))
