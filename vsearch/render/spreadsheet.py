"""Hits as a table: CSV as RFC 4180 has it, in UTF-8, a row a hit, under the names that `search --json` uses.

Names come from files, and a spreadsheet takes a cell that begins like a formula for one: such texts get a `'` in front,
which spreadsheets understand as "this is text". `video_b64` gives exact bytes where the shown path is not them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from vsearch.records import Hit
from vsearch.render.timelines import Cut, Finds, cut, decimal, hit_fields, json_name

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
HIT_COLUMNS = tuple(json_name(field.name) for field in fields(Hit))
SOURCE_COLUMNS = (
    "start_timecode",
    "end_timecode",
    "source_timecode",
    "frame_rate",
    "timecode_rate",
    "drop_frame",
    "reel",
    "speed",
)


def csv_text(finds: Iterable[Finds]) -> str:
    """A header and a row for every hit, in the order of queries, then of ranks; empty cells where nothing is known."""
    text = io.StringIO()
    table = csv.DictWriter(text, ("query", *HIT_COLUMNS, *SOURCE_COLUMNS))
    table.writeheader()
    for one in finds:
        for hit, source in one.hits:
            row = {"query": one.query, **hit_fields(hit), **_of_source(cut(one.query, hit, source))}
            table.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _of_source(one: Cut) -> dict[str, Any]:
    """Where a hit is on its source's timecode."""
    source = one.source
    return {
        "start_timecode": source.at(one.first),
        "end_timecode": source.at(one.stop),
        "source_timecode": source.timecode,
        "frame_rate": source.claimed_rate,
        "timecode_rate": source.counting.rate,
        "drop_frame": source.counting.drop,
        "reel": source.reel,
        "speed": decimal(one.speed),
    }


def _cell(value: Any) -> Any:
    """A value as a cell: texts never begin like a formula, truth values are written as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
