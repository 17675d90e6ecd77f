"""Decoding in a persistent child process with limits: a file that crashes or hangs its decoder costs that file only."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from vsearch.config import ReadConfig
from vsearch.records import ContentIdentity, FrameBatch, MediaInfo, Reading


class DecodeStream:
    """One file being read in the child. Iterating yields FrameBatch of at most `config.batch_frames` frames, fixed H and W.

    `info` is there from the start, `identity` as soon as the file is hashed (before the first batch; asking waits for it),
    `reading` once the iteration has ended (RuntimeError before). Leaving early: `close()`, or use it as a context manager.
    """

    info: MediaInfo

    @property
    def identity(self) -> ContentIdentity:
        raise NotImplementedError

    @property
    def reading(self) -> Reading:
        raise NotImplementedError

    def __iter__(self) -> Iterator[FrameBatch]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class DecodeProcess:
    """A child process that reads files, one at a time. It starts with the first read, and anew after a crash or a stall."""

    def __init__(self, config: ReadConfig) -> None:
        self.config = config

    def read(self, path: bytes, config: ReadConfig | None = None, *, identify: bool = True) -> DecodeStream:
        """Begin to read `path` (bytes, as the file system gives it).

        `identify`: hash the whole file first (indexing); without it `identity` has the size and empty hashes (queries).

        Raises (here, or while iterating): NoVideoError, RefusedError, DecoderCrashError, DecoderStallError, MediaError.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the child."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
