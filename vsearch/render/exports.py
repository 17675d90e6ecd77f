"""Hits as files for other programs, told apart by their suffix: tables, edit lists, timelines."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from vsearch.config import EXPORT_SUFFIXES
from vsearch.errors import InputError
from vsearch.render.edl import MOST_EVENTS, EditList, edit_lists, edl_text
from vsearch.render.files import written_whole
from vsearch.render.otio import otio_text
from vsearch.render.spreadsheet import csv_text
from vsearch.render.timelines import Finds, decimal
from vsearch.text import printable

log = logging.getLogger(__name__)


def check_export(path: Path) -> None:
    """Raises InputError for a file whose suffix says nothing."""
    if path.suffix.lower() not in EXPORT_SUFFIXES:
        known = ", ".join(EXPORT_SUFFIXES)
        raise InputError(f"cannot tell from the name {path.name!r} what to write: end it in one of {known}")


def write_export(path: Path, finds: Sequence[Finds]) -> None:
    """What was found, as the suffix says; each file appears whole or not at all. Raises InputError when unwritable."""
    check_export(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        _write(path, csv_text(finds))
    elif suffix == ".otio":
        _write(path, otio_text(printable(path.stem), finds))
    else:
        _write_edit_lists(path, edit_lists(finds))


def _write_edit_lists(path: Path, lists: Sequence[EditList]) -> None:
    """The first list under its name; what the format does not let stand in it, beside it."""
    _write(path, edl_text(path.stem, lists[0].cuts if lists else ()))
    for one in lists[1:]:
        beside = path.with_suffix(f".{one.label}{path.suffix}")
        _write(beside, edl_text(path.stem, one.cuts))
        log.warning(
            "an edit list has one frame rate and at most %d events: further hits (%d at %s frames a second) are in %s",
            MOST_EVENTS,
            len(one.cuts),
            decimal(one.rate),
            beside,
        )


def _write(path: Path, text: str) -> None:
    """A text in UTF-8, its line ends as they are."""
    with written_whole(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
