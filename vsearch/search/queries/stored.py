"""What is asked with that the library holds already, by its name: `v12`, `c345`, `VIDEO@0:12:03.5`, `VIDEO@1:02-1:30`.

Pure: names are taken apart here, and looked up elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vsearch.errors import InputError
from vsearch.text import seconds_of

_CLIP = re.compile(r"(?:id:)?c([1-9][0-9]*)")
_VIDEO = re.compile(r"v[1-9][0-9]*|id:v?[1-9][0-9]*|path:.+", re.DOTALL)
_TIME = r"[0-9][0-9:]*(?:\.[0-9]+)?"
_PART = re.compile(rf"(.+)@({_TIME})(?:-({_TIME}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StoredName:
    """A stored video or clip, or a part of a video.

    video: as `Store.resolve` takes it; clip: a clip's number: one of the two. frame_s: the time of one frame; start_s,
    end_s: a range: one of these or nothing. forced: what was written can be nothing else, whatever files there are.
    """

    video: str | None = None
    clip: int | None = None
    frame_s: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    forced: bool = False


def stored_name(text: str) -> StoredName | None:
    """What a name says, if it can be one of the library's own. Raises InputError for a range that is empty."""
    forced = text.startswith(("id:", "path:"))
    if clip := _CLIP.fullmatch(text):
        return StoredName(clip=int(clip[1]), forced=forced)
    part = _PART.fullmatch(text)
    start = seconds_of(part[2]) if part else None
    if part is None or start is None:
        return StoredName(video=text, forced=forced) if _VIDEO.fullmatch(text) else None
    if part[3] is None:
        return StoredName(video=part[1], frame_s=start, forced=forced)
    end = seconds_of(part[3])
    if end is None or end <= start:
        raise InputError(f"{text}: a range ends after it starts: write VIDEO@START-END, in seconds or h:mm:ss.s")
    return StoredName(video=part[1], start_s=start, end_s=end, forced=forced)
