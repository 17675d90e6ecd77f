"""Limits as people type them."""

from __future__ import annotations

from datetime import date

import pytest
import typer

from vsearch.cli.limits import parse_days, parse_limits, parse_lines, parse_size
from vsearch.cli.text import parse_time


@pytest.mark.parametrize(
    ("text", "limits"),
    [(None, (None, None)), ("10..60", (10, 60)), ("1:00:00..", (3600, None)), ("..1:30.5", (None, 90.5))],
)
def test_either_end_of_a_range_may_be_open(text: str | None, limits: tuple[float | None, float | None]) -> None:
    assert parse_limits("--duration", text, parse_time) == limits


@pytest.mark.parametrize("text", ["10", "..", "", "60..10", "a..b", "1..2..3"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_limits("--duration", text, parse_time)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        (None, (None, None)),
        ("2019", (date(2019, 1, 1), date(2019, 12, 31))),
        ("2020-02", (date(2020, 2, 1), date(2020, 2, 29))),
        ("2019-05..2020", (date(2019, 5, 1), date(2020, 12, 31))),
        ("2019-05-04..", (date(2019, 5, 4), None)),
        ("..2019-5-4", (None, date(2019, 5, 4))),
    ],
)
def test_days_may_be_years_and_months(text: str | None, days: tuple[date | None, date | None]) -> None:
    assert parse_days("--date", text) == days


@pytest.mark.parametrize("text", ["", "..", "19", "2019-13", "2019-02-30", "2020..2019", "yesterday", "0000"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_days("--date", text)


def test_sizes_have_units_and_lines_may_have_a_p() -> None:
    assert [parse_size(text) for text in ("1500", "100MB", "1.5 GB", "2k")] == [1500, 1e8, 1.5e9, 2000]
    assert [parse_lines(text) for text in ("720", "1080p")] == [720, 1080]
    for text in ("-1", "1 PB", "much"):
        with pytest.raises(typer.BadParameter):
            parse_size(text)
    with pytest.raises(typer.BadParameter):
        parse_lines("1920x1080")
