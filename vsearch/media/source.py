"""A file opened for reading, once, before anything looks into it."""

from __future__ import annotations

import os
import stat
from types import TracebackType
from typing import Self

from vsearch.errors import MediaError, NoVideoError, RefusedError
from vsearch.media.identity import file_stamp
from vsearch.media.sniff import HEAD_BYTES, refused_kind
from vsearch.osys import open_read_only
from vsearch.records import FileStamp


def display_name(path: bytes) -> str:
    """A path as one line for people: bytes that are no UTF-8 and characters that don't print are shown as escapes."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class SourceFile:
    """A regular file, opened read-only; everything about it is read through one descriptor, so it can't be swapped.

    Raises RefusedError for a list of other files, NoVideoError for an empty file, MediaError for one that is missing,
    not a regular file, or not readable.
    """

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.display = display_name(path)
        try:
            self.descriptor = open_read_only(path)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(f"{self.display}: cannot be opened ({reason})") from error
        try:
            self._check()
            self.stamp: FileStamp = file_stamp(self.descriptor)
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            raise MediaError(f"{self.display}: is not a regular file")
        try:
            head = os.pread(self.descriptor, HEAD_BYTES, 0)
        except OSError as error:
            raise MediaError(f"{self.display}: cannot be read ({error.strerror})") from error
        if not head:
            raise NoVideoError(f"{self.display}: the file is empty")
        kind = refused_kind(head)
        if kind:
            raise RefusedError(
                f"{self.display}: is {kind}, which could name other files or addresses; it is not opened"
            )

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
