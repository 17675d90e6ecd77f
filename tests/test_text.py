"""Numbers, times and names as people read them."""

from __future__ import annotations

from vsearch.text import clock, counted, printable, size, span


def test_the_clock_rounds_to_tenths() -> None:
    assert [clock(s) for s in (0, 59.96, 3599.95, 36_610.04)] == ["0:00:00.0", "0:01:00.0", "1:00:00.0", "10:10:10.0"]


def test_control_and_direction_characters_are_replaced() -> None:
    assert printable("a\nb\u202ec\udc80d é 映画") == "a\ufffdb\ufffdc\ufffdd é 映画"


def test_sizes_have_a_digit_after_the_point_below_ten() -> None:
    numbers = (0, 999, 999.6, 1200, 9_960, 14_000_000, 999_600_000, 5e12, 12_345e12)
    assert [size(n) for n in numbers] == [
        "0 B", "999 B", "1.0 kB", "1.2 kB", "10 kB", "14 MB", "1.0 GB", "5.0 TB", "12,345 TB",
    ]  # fmt: skip


def test_spans_have_their_unit() -> None:
    assert [span(s) for s in (0.04, 8.44, 119, 130, 5400, 3.6e6)] == [
        "0.0 s", "8.4 s", "119.0 s", "2 min", "1.5 hours", "1,000.0 hours",
    ]  # fmt: skip


def test_nouns_agree_with_their_number() -> None:
    assert [counted(1, "clip"), counted(1203, "clip"), counted(2, "query", "queries")] == [
        "1 clip",
        "1,203 clips",
        "2 queries",
    ]
