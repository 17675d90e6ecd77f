"""What people call videos: folders, globs, names, numbers. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from pathlib import Path


def matcher(pattern: str) -> Callable[[str], bool]:
    """A function that says whether an absolute display path is, lies under, or globs as `pattern`.

    A pattern without a slash is compared with the name alone as well; a relative one is also taken from the working
    directory.
    """
    absolute = str(Path.cwd() / pattern) if not Path(pattern).is_absolute() else pattern
    forms = {pattern, os.path.normpath(absolute)}
    folders = {form.rstrip("/") for form in forms}
    below = tuple(folder + "/" for folder in folders)
    globs = [re.compile(translate(form)).match for form in forms]
    of_name = re.compile(translate(pattern)).match if "/" not in pattern else None

    def fits(display: str) -> bool:
        if display in folders or display.startswith(below) or any(glob(display) for glob in globs):
            return True
        return of_name is not None and of_name(display.rpartition("/")[2]) is not None

    return fits


def matches(pattern: str, display: str) -> bool:
    """Whether one absolute display path fits: see `matcher`."""
    return matcher(pattern)(display)


def has_name(path: bytes, name: bytes) -> bool:
    """Whether the last components of `path` are exactly those of `name`."""
    return path == name or path.endswith(b"/" + name)


def absolute_forms(text: str) -> set[bytes]:
    """The absolute paths that a name may mean from here: as written, and with links followed."""
    if not text or "\0" in text:
        return set()
    path = Path(os.fsdecode(encoded(text)))
    return {encoded(os.path.normpath(path.absolute())), encoded(os.path.realpath(path))}


def encoded(text: str) -> bytes:
    """A name as bytes, as the file system would have it."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def splits(absolute: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every way to read an absolute path as (mount, path inside the volume), longest mount first."""
    yield absolute, b""
    for position in range(len(absolute) - 1, -1, -1):
        if absolute[position : position + 1] == b"/":
            yield absolute[:position] or b"/", absolute[position + 1 :]


def video_number(text: str) -> int | None:
    """12 for `v12`; None for anything else."""
    match = re.fullmatch(r"v([1-9][0-9]{0,11})", text)
    return int(match[1]) if match else None


def forced_number(text: str) -> int | None:
    """12 for `v12` and `12`, after `id:`; None for anything else."""
    return video_number(text if text.startswith("v") else f"v{text}")
