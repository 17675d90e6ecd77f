"""Self-contained HTML pages that open from disk: answers beside queries, groups of clips, an index of sheets.

Names come from files and are never trusted: everything goes through jinja2's autoescaping, and pages forbid scripts.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from PIL import Image

from vsearch.errors import InputError, LatentError
from vsearch.records import Hit
from vsearch.render.files import write_text
from vsearch.render.frames import Excerpt, Footage, Picture, decode_pictures, pick_frames, pictures_near
from vsearch.render.marks import MARK, NOTICE, SOFTWARE
from vsearch.text import clock, counted, printable

PAIRS = 6  # pictures shown for one hit
CLIPS_DRAWN = 12  # most central clips drawn of a group
PICTURES_PER_CLIP = 3
PAIRS_DRAWN = 12  # of a group of duplicates
THUMBNAIL_PX = 224  # longer side


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One query and what was found. A hit without footage has no stored pictures; so has a query without footage.

    blank: whether nothing in the query could be compared.
    """

    query: str
    footage: Footage | None
    hits: Sequence[tuple[Hit, Footage | None]]
    error: str | None = None
    blank: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Clips that belong together, most central first. `size` counts all; `excerpts` may be the first ones only."""

    number: int
    size: int
    excerpts: Sequence[Excerpt]


@dataclass(frozen=True, slots=True)
class Copy:
    """A line for a video of a group of duplicates. reason: why it is the best copy; None for the others."""

    label: str
    name: str
    facts: str
    online: bool
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Two videos that share material. says: how; ranges: (start, end of a, start, end of b), best first, in seconds.

    Without footage of one, nothing is drawn.
    """

    a: str
    b: str
    says: str
    score: float
    ranges: Sequence[tuple[float, float, float, float]]
    footage_a: Footage | None
    footage_b: Footage | None


@dataclass(frozen=True, slots=True, eq=False)
class CopyGroup:
    """A group of duplicates, best copy first. `more`: pairs that are not among those to draw."""

    number: int
    copies: Sequence[Copy]
    shared: Sequence[Shared]
    more: int


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A line of an index page: the sheet's file beside the page, or None and why there is none."""

    label: str
    name: str
    file: str | None
    note: str
    size: tuple[int, int] | None  # (width, height)


def write_search_report(path: Path, answers: Sequence[Answer], *, library: str = "") -> None:
    """For every query its hits, with query frames above the frames they match. Raises InputError when unwritable."""
    found = sum(bool(answer.hits) for answer in answers)
    summary = f"hits for {found:,} of {counted(len(answers), 'query', 'queries')}"
    page = [_answer(answer) for answer in answers]
    _render(path, "search.html", title="Search", summary=summary, library=library, answers=page)


def write_cluster_report(
    path: Path, groups: Sequence[Group], *, title: str = "Groups of clips", library: str = ""
) -> None:
    """Every group with pictures of its most central clips. Raises InputError when unwritable."""
    summary = f"{counted(len(groups), 'group')} of {counted(sum(group.size for group in groups), 'clip')}"
    page = [_group(group) for group in groups]
    _render(path, "clusters.html", title=title, summary=summary, library=library, groups=page)


def write_duplicates_report(path: Path, groups: Sequence[CopyGroup], *, library: str = "") -> None:
    """Every group with its copies, and frames of its pairs, one above the other. Raises InputError when unwritable."""
    summary = f"{counted(len(groups), 'group')} of {counted(sum(len(group.copies) for group in groups), 'video')}"
    page = [
        {"number": group.number, "copies": group.copies, "more": group.more, "pairs": list(map(_shared, group.shared))}
        for group in groups
    ]
    _render(path, "duplicates.html", title="Duplicates", summary=summary, library=library, groups=page)


def write_sheet_index(path: Path, entries: Sequence[SheetEntry]) -> None:
    """A page of the contact sheets that lie beside it. Raises InputError when unwritable."""
    drawn = sum(entry.file is not None for entry in entries)
    page = [{"entry": entry, "name": entry.name, "url": quote(entry.file or "")} for entry in entries]
    _render(
        path,
        "sheets.html",
        title="Contact sheets",
        summary=f"{drawn:,} of {counted(len(entries), 'video')}",
        sheets=page,
    )


def _render(path: Path, template: str, **values: Any) -> None:
    loader = jinja2.PackageLoader("vsearch.render")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, finalize=_one_line
    )
    common = {"mark": MARK, "notice": NOTICE, "software": SOFTWARE, "library": ""}
    environment.filters.update(clock=clock, counted=counted)
    write_text(path, environment.get_template(template).render({**common, **values}))


def _one_line(value: Any) -> Any:
    """Whatever a template prints, without characters that could reorder or break the line."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _answer(answer: Answer) -> dict[str, Any]:
    hits = [_hit(answer, hit, footage) for hit, footage in answer.hits]
    return {"query": answer.query, "error": answer.error, "blank": answer.blank, "hits": hits}


def _hit(answer: Answer, hit: Hit, footage: Footage | None) -> dict[str, Any]:
    pairs: list[dict[str, Any]] = []
    problem = "no pictures of this video are stored" if footage is None else None
    if footage is not None:
        try:
            pairs = _pairs(answer.footage, hit, footage)
        except (InputError, LatentError) as error:
            problem = str(error)
    return {"hit": hit, "name": hit.video, "pairs": pairs, "problem": problem}


def _pairs(query: Footage | None, hit: Hit, footage: Footage) -> list[dict[str, Any]]:
    """Frames of the hit, evenly spread, each with the query frame nearest to the matching moment."""
    numbers = pick_frames(footage, start_s=hit.start_s, end_s=hit.end_s, at_most=PAIRS)
    pictures = list(decode_pictures(footage, numbers))
    if query is None:
        return [{"query": None, "found": _thumbnail(picture)} for picture in pictures]
    if hit.query_start_s is None or hit.query_end_s is None:
        pictures, times = pictures[:1], [0.0]
    else:
        first_s, last_s = (hit.query_start_s, hit.query_end_s)[:: -1 if hit.rate < 0 else 1]
        pace = (last_s - first_s) / max(hit.end_s - hit.start_s, 1e-9)
        times = [first_s + (picture.time_s - hit.start_s) * pace for picture in pictures]
    return [
        {"query": _thumbnail(asked), "found": _thumbnail(picture)}
        for asked, picture in zip(pictures_near(query, times), pictures, strict=True)
    ]


def _shared(pair: Shared) -> dict[str, Any]:
    pictures: list[dict[str, Any]] = []
    problem = None
    if pair.footage_a is None or pair.footage_b is None:
        problem = "no pictures of one of them are stored"
    else:
        try:
            pictures = _side_by_side(pair.footage_a, pair.footage_b, pair.ranges[0])
        except LatentError as error:
            problem = str(error)
    return {
        "a": pair.a,
        "b": pair.b,
        "says": pair.says,
        "score": pair.score,
        "ranges": pair.ranges,
        "pictures": pictures,
        "problem": problem,
    }


def _side_by_side(a: Footage, b: Footage, ranges: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    """Frames of b's range, evenly spread, each with the frame of a nearest to the matching moment."""
    a_start, a_end, b_start, b_end = ranges
    pictures = list(decode_pictures(b, pick_frames(b, start_s=b_start, end_s=b_end, at_most=PAIRS)))
    rate = (a_end - a_start) / max(b_end - b_start, 1e-9)
    times = [a_start + (picture.time_s - b_start) * rate for picture in pictures]
    return [
        {"a": _thumbnail(mine), "b": _thumbnail(theirs)}
        for mine, theirs in zip(pictures_near(a, times), pictures, strict=True)
    ]


def _group(group: Group) -> dict[str, Any]:
    return {"number": group.number, "size": group.size, "clips": [_clip(e) for e in group.excerpts[:CLIPS_DRAWN]]}


def _clip(excerpt: Excerpt) -> dict[str, Any]:
    footage, problem, pictures = excerpt.footage, None, []
    try:
        numbers = pick_frames(footage, start_s=excerpt.start_s, end_s=excerpt.end_s, at_most=PICTURES_PER_CLIP)
        pictures = [_thumbnail(picture) for picture in decode_pictures(footage, numbers)]
    except (InputError, LatentError) as error:
        problem = str(error)
    end_s = footage.duration_s if excerpt.end_s is None else excerpt.end_s
    return {
        "label": excerpt.label,
        "name": footage.name,
        "start_s": excerpt.start_s,
        "end_s": end_s,
        "pictures": pictures,
        "problem": problem,
    }


def _thumbnail(picture: Picture) -> dict[str, Any]:
    """A picture for a page: a data URI, its size and its time."""
    image = picture.image.copy()
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, format="WEBP", quality=78, method=4)
    data = b64encode(buffer.getvalue()).decode()
    return {
        "uri": f"data:image/webp;base64,{data}",
        "width": image.width,
        "height": image.height,
        "time_s": picture.time_s,
    }
