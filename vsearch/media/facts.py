"""What containers say about a recording, read from their tags. Pure: dictionaries in, ContainerFacts out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from vsearch.records import ContainerFacts

TAGS_BYTES = 64 * 1024  # of JSON: what is kept of a file's tags
_DATES = ("com.apple.quicktime.creationdate", "creation_time", "date_recorded", "date", "year", "date-eng", "icrd")
_MAKES = ("com.apple.quicktime.make", "make", "com.android.manufacturer", "manufacturer")
_MODELS = ("com.apple.quicktime.model", "model", "com.android.model", "camera")
_REELS = ("reel_name", "reel", "com.apple.proapps.reel", "tape", "material_package_name")
_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")


def container_facts(
    container: Mapping[str, str],
    streams: Iterable[tuple[int, str, Mapping[str, str]]],
    rate: Fraction | None,
) -> ContainerFacts:
    """Facts from the container's tags and those of its streams: (index, type, tags) each.

    `rate`: the video's frame rate, which its timecode counts in.
    """
    streams = list(streams)
    kinds = [kind for _, kind, _ in streams]
    ordered = [container, *(tags for _, kind, tags in streams if kind == "video"), *(tags for _, _, tags in streams)]
    timecode = _timecode(_first(ordered, ("timecode",)))
    make, model = _first(ordered, _MAKES), _first(ordered, _MODELS)
    camera = model if not make or (model or "").lower().startswith(make.lower()) else f"{make} {model or ''}".strip()
    return ContainerFacts(
        recorded_at=_date(_first(ordered, _DATES)),
        timecode=timecode,
        timecode_rate=rate if timecode else None,
        drop_frame=";" in timecode if timecode else None,
        reel=_first(ordered, _REELS),
        camera=camera,
        audio_streams=kinds.count("audio"),
        subtitle_streams=kinds.count("subtitle"),
        tags=_all_tags(container, streams),
    )


def _first(tag_sets: Iterable[Mapping[str, str]], names: tuple[str, ...]) -> str | None:
    lowered = [{key.lower(): value for key, value in tags.items()} for tags in tag_sets]
    for name in names:
        for tags in lowered:
            if tags.get(name, "").strip():
                return tags[name].strip()
    return None


def _timecode(text: str | None) -> str | None:
    """`HH:MM:SS:FF`, with `;` before the frames when drop-frame."""
    found = _TIMECODE.fullmatch(text.strip()) if text else None
    if not found:
        return None
    hours, minutes, seconds, separator, frames = found.groups()
    return f"{int(hours):02}:{minutes}:{seconds}{':' if separator == ':' else ';'}{frames}"


def _date(text: str | None) -> str | None:
    """ISO 8601 as far as the tag allows: a date alone stays a date, `2019-05-01 12:00:00` gets its T. None: no date."""
    if not text:
        return None
    found = re.match(r"(\d{4})(?:[-:/.](\d{2})[-:/.](\d{2}))?(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?", text)
    if not found or not 1850 <= int(found[1]) <= 2200 or text.startswith("1904-01-01"):
        return None  # QuickTime's zero is 1904: a clock that was never set
    year, month, day, time = found.groups()
    if month is None:
        return str(year)
    if time is None:
        return f"{year}-{month}-{day}"
    zone = re.match(r"\s*(Z|[+-]\d{2}:?\d{2})?", text[found.end() :])
    offset = (zone[1] or "") if zone else ""
    if len(offset) == 5:
        offset = f"{offset[:3]}:{offset[3:]}"
    return f"{year}-{month}-{day}T{time}{offset}"


def _all_tags(container: Mapping[str, str], streams: list[tuple[int, str, Mapping[str, str]]]) -> dict[str, Any]:
    """Every tag as {"container": {...}, "streams": [{"index", "type", "tags"}]}, cut to 64 KB of JSON."""
    value_chars = 8192
    while True:
        tags: dict[str, Any] = {
            "container": _cut(container, value_chars),
            "streams": [
                {"index": index, "type": kind, "tags": _cut(values, value_chars)}
                for index, kind, values in streams[: max(1, value_chars // 32)]
                if values
            ],
        }
        if len(json.dumps(tags)) <= TAGS_BYTES:
            return tags
        value_chars //= 2


def _cut(tags: Mapping[str, str], chars: int) -> dict[str, str]:
    """At most `chars` entries of at most `chars` characters each."""
    kept = list(tags.items())[:chars]
    return {_text(key)[:chars]: _text(value)[:chars] for key, value in kept}


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
