"""Cuts as an OpenTimelineIO timeline: JSON, written without the package.

One timeline with a track for each query that found something; a track begins where the one before it ends, so that none
covers another, and with one rate the places are those of the edit list. Times are frames at each source's own rate.
`Clip.1` and `ExternalReference.1` are what every version of OpenTimelineIO reads; newer ones make `Clip.2` of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from vsearch.render.timelines import FIRST_HOUR, Cut, Finds, cut, hit_fields
from vsearch.timecode import Counting


def otio_text(title: str, finds: Sequence[Finds]) -> str:
    """The timeline. Its own rate, at which it starts and its gaps are counted, is that of the first hit's source."""
    cuts = [[cut(one.query, hit, source) for hit, source in one.hits] for one in finds if one.hits]
    counting = cuts[0][0].source.counting if cuts else Counting(Fraction(25))
    tracks, place = [], 0
    for of_query in cuts:
        tracks.append(_track(of_query, [_gap(place, counting.rate)] if place else []))
        lasts = sum((one.length / one.source.counting.rate for one in of_query), Fraction(0))
        place += ceil(lasts * counting.rate)
    timeline = {
        **_object("Timeline.1", title, {"drop_frame": counting.drop}),
        "global_start_time": _time(counting.frame(FIRST_HOUR), counting.rate),
        "tracks": {**_item("Stack.1", "tracks"), "children": tracks},
    }
    return json.dumps(timeline, indent=4, ensure_ascii=False, allow_nan=False) + "\n"


def _track(cuts: Sequence[Cut], before: list[dict[str, Any]]) -> dict[str, Any]:
    """All that one query found, after what stands before."""
    name = cuts[0].query
    return {**_item("Track.1", name, {"query": name}), "kind": "Video", "children": [*before, *map(_clip, cuts)]}


def _gap(frames: int, rate: Fraction) -> dict[str, Any]:
    return {**_item("Gap.1", ""), "source_range": _range(0, frames, rate)}


def _clip(one: Cut) -> dict[str, Any]:
    """A cut. As OpenTimelineIO has it, its range is as long as on the timeline, and a time warp says how fast it is."""
    source = one.source
    rate = source.counting.rate
    warp = {**_object("LinearTimeWarp.1", ""), "effect_name": "LinearTimeWarp", "time_scalar": one.speed}
    metadata = {"query": one.query, **hit_fields(one.hit)}
    clip = _item("Clip.1", source.name, metadata)
    if source.reel is not None:
        clip["metadata"]["cmx_3600"] = {"reel": source.reel}  # where its edit list adapter looks for it
    return {
        **clip,
        "source_range": _range(source.start + one.first, one.length, rate),
        "effects": [warp] if one.speed != 1 else [],
        "media_reference": _media(one),
    }


def _media(one: Cut) -> dict[str, Any]:
    """The file that a cut is of: all its frames, from the one that its start timecode names."""
    source = one.source
    claimed = None if source.claimed_rate is None else str(source.claimed_rate)
    facts = {
        "frame_rate": claimed,
        "timecode": source.timecode,
        "timecode_rate": str(source.counting.rate),
        "drop_frame": source.counting.drop,
        "reel": source.reel,
    }
    return {
        **_object("ExternalReference.1", source.name, facts),
        "available_range": _range(source.start, source.frames, source.counting.rate),
        "target_url": Path(os.fsdecode(source.path)).as_uri(),
    }


def _item(schema: str, name: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a timeline is composed of."""
    return {**_object(schema, name, metadata), "source_range": None, "effects": [], "markers": [], "enabled": True}


def _object(schema: str, name: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {"vsearch": metadata} if metadata else {}}


def _range(start: int, frames: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": _time(start, rate), "duration": _time(frames, rate)}


def _time(frames: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": float(frames), "rate": float(rate)}
