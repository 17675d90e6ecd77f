"""What a reader is: one forward pass over every frame of one file."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.records import MediaInfo

LUMA_SIZE = (36, 64)  # (height, width) of the picture that the shot detector sees, whatever the shape of the video


class DecodedFrame(Protocol):
    """One decoded picture. Holds the decoder's buffer until it is dropped, so drop it soon.

    `pts` and `duration` (None: unknown) are ticks of the video's time base. `luma` is (36, 64) uint8, area-averaged, in
    stored orientation.
    """

    pts: int
    duration: int | None
    key_frame: bool
    luma: NDArray[np.uint8]

    def picture(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(3, height, width) uint8 RGB for `size` = (height, width), display orientation, one area-filter pass."""
        ...


class Reader(Protocol):
    """A file opened for one forward pass. `info` is true from the start: it describes the first decoded picture.

    Frames come with strictly ascending pts, the first of the whole file having the video's time zero. `first_pts` is
    that time zero, also when the pass begins later. `problem` says, after the pass, why it ended early or lost any.
    """

    name: str
    info: MediaInfo
    first_pts: int

    def frames(self) -> Iterator[DecodedFrame]:
        """Every frame once, in order; a second call gives nothing. Never raises for damaged data: see `problem`."""
        ...

    @property
    def problem(self) -> str | None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
