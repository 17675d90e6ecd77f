"""Tables, typed times, JSON lines."""

from __future__ import annotations

from fractions import Fraction

import pytest
import typer

from vsearch.cli.text import cells, parse_memory, parse_rate, parse_time, table


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("61.25", 61.25), ("1:01.5", 61.5), ("1:02:03.5", 3723.5), (" 7 ", 7), ("90:00", 5400)],
)
def test_times_are_seconds_or_clock(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-1", "1:-2", "nan", "inf", "1:", "1h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no time"):
        parse_time(text)


def test_rates_are_fractions() -> None:
    assert [parse_rate(text) for text in ("1", "0.5", "30000/1001")] == [1, Fraction(1, 2), Fraction(30000, 1001)]
    for text in ("0", "-1", "1/0", "nan", "fast", ""):
        with pytest.raises(typer.BadParameter):
            parse_rate(text)


def test_memory_has_units_of_1024() -> None:
    assert [parse_memory(text) for text in ("2G", "512m", "1.5KiB", "100", 7)] == [2 << 30, 512 << 20, 1536, 100, 7]
    for text in ("", "G", "-1", "2X", "many"):
        with pytest.raises(typer.BadParameter, match="no amount"):
            parse_memory(text)


def test_columns_are_aligned_also_for_wide_letters() -> None:
    rows = [["1", "映画.mp4", "a"], ["12", "film.mp4", "b"]]
    assert table(rows, head=("n", "name", "x"), right=[0]) == [" n  name      x", " 1  映画.mp4  a", "12  film.mp4  b"]
    assert table([]) == []
    assert cells("e\u0301") == 1


def test_a_cell_cannot_break_its_line() -> None:
    assert table([["a\nb\x1b[2J"]]) == ["a\ufffdb\ufffd[2J"]
