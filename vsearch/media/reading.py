"""One pass over one file: sampled frames as batches, then what the pass found. Runs in the calling process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median_low
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.errors import InputError, MediaError, NoVideoError
from vsearch.media import open_video
from vsearch.media.base import DecodedFrame
from vsearch.media.identity import check_unchanged, content_identity
from vsearch.media.picture import framed
from vsearch.media.sampling import Framing, SamplingGrid, framing
from vsearch.media.shots import Boundary, ShotDetector
from vsearch.media.source import SourceFile
from vsearch.records import MAX_FRAMES, ContentIdentity, FrameBatch, MediaInfo, Reading, Shot

Picture = tuple[int, NDArray[np.uint8]]  # pts, (3, H, W) RGB

_USUAL_FPS = 25.0  # for the shot detector, where a file claims no rate
_INTERVALS = 256  # the latest ones, whose median ends the last frame of a file that gives no durations


def read_file(path: bytes, config: ReadConfig, *, identify: bool = True) -> FileReading:
    """Begin to read a file in this process. See `isolated.DecodeProcess.read`, which gives the same in a child."""
    return FileReading(path, config, identify=identify)


class FileReading:
    """A file being read: iterating yields FrameBatch, afterwards `reading` is there. A context manager.

    `progress` is called often, while hashing and with every decoded frame.

    Raises (here, or while iterating) NoVideoError, RefusedError, MediaError.
    """

    def __init__(
        self,
        path: bytes,
        config: ReadConfig,
        *,
        identify: bool = True,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._config, self._progress = config, progress
        self._source = SourceFile(path)
        try:
            self._reader = open_video(self._source, config)
        except BaseException:
            self._source.close()
            raise
        self.info = self._reader.info
        try:
            self._framing = framing(self.info, config.preview_pixels, config.region)
        except InputError as error:
            self.close()
            raise InputError(f"{self._source.display}: {error}") from error
        self._identity: ContentIdentity | None = None
        self._identify = identify
        self._reading: Reading | None = None

    @property
    def identity(self) -> ContentIdentity:
        """The content's identity, hashed on first use; only the size is true when it was not asked to identify."""
        if self._identity is None:
            if self._identify:
                try:
                    self._identity = content_identity(self._source.descriptor, lambda _: self._progress())
                except OSError as error:
                    raise MediaError(f"{self._source.display}: cannot be read ({error.strerror})") from error
            else:
                self._identity = ContentIdentity(self._source.stamp.size_bytes, b"", b"")
        return self._identity

    @property
    def reading(self) -> Reading:
        """What the pass found. Raises RuntimeError before its end."""
        if self._reading is None:
            raise RuntimeError("the file has not been read to its end")
        return self._reading

    def __iter__(self) -> Iterator[FrameBatch]:
        identity = self.identity
        sampler = _Sampler(self._config, self.info, self._framing)
        taken: list[Picture] = []
        for pictures in self._sampled(sampler):
            taken += pictures
            while len(taken) >= self._config.batch_frames:
                yield self._batch(taken)
        while taken:
            yield self._batch(taken)
        if not sampler.frames:
            raise NoVideoError(f"{self._source.display}: no picture in the range that was asked for")
        check_unchanged(self._source.stamp, self._source.descriptor, self._source.display)
        self._reading = self._result(sampler, identity)

    def _sampled(self, sampler: _Sampler) -> Iterator[list[Picture]]:
        for frame in self._reader.frames():
            self._progress()
            yield sampler.push(frame)
            if sampler.limit:
                break
        yield sampler.finish()

    def _batch(self, taken: list[Picture]) -> FrameBatch:
        """The next batch, taken off the list."""
        batch, taken[:] = taken[: self._config.batch_frames], taken[self._config.batch_frames :]
        pts = np.array([pts for pts, _ in batch], np.int64)
        return FrameBatch(np.stack([picture for _, picture in batch]), pts, self.info.time_base)

    def _result(self, sampler: _Sampler, identity: ContentIdentity) -> Reading:
        reason = sampler.limit or self._reader.problem
        return Reading(
            info=self.info,
            reader=self._reader.name,
            identity=identity,
            stamp=self._source.stamp,
            start_pts=self._reader.first_pts,
            end_pts=sampler.end_pts,
            frames_decoded=sampler.frames,
            frame_pts=tuple(sampler.sampled),
            shots=sampler.shots,
            state="partial" if reason else "ok",
            reason=reason,
        )

    def close(self) -> None:
        self._reader.close()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True)
class _Waiting:
    """A frame that the shot detector has not decided on yet: `picture` when it is on the grid, else `frame`."""

    pts: int
    frame: DecodedFrame | None
    picture: NDArray[np.uint8] | None


class _Sampler:
    """Frames in, the sampled ones out, as soon as the shot detector has decided about all before them."""

    def __init__(self, config: ReadConfig, info: MediaInfo, framing: Framing) -> None:
        self._config, self._time_base, self._framing = config, info.time_base, framing
        fps = float(info.frame_rate or _USUAL_FPS)
        self._detector = ShotDetector(0 if config.sampling == "keyframes" else fps)
        self._nominal = max(1, round(1 / (fps * float(info.time_base))))
        self._grid: SamplingGrid | None = None
        self._waiting: deque[_Waiting] = deque()
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._boundaries: list[tuple[int, Boundary]] = []
        self._last: tuple[int, int | None] | None = None  # pts, duration
        self.frames = 0
        self.sampled: list[int] = []

    def push(self, frame: DecodedFrame) -> list[Picture]:
        if self._grid is None:
            self._grid = SamplingGrid(frame.pts, self._config.fps, self._time_base)
        if self._last is not None:
            self._intervals.append(frame.pts - self._last[0])
        self._last = frame.pts, frame.duration
        self.frames += 1
        if self._grid.takes(frame.pts):  # scaled at once, so that the large picture can go
            self._waiting.append(_Waiting(frame.pts, None, self._picture(frame)))
        else:
            self._waiting.append(_Waiting(frame.pts, frame, None))
        return self._settle(self._detector.push(frame.luma))

    def _picture(self, frame: DecodedFrame) -> NDArray[np.uint8]:
        """What is sampled of a frame, (3, H, W) RGB."""
        return framed(frame.picture(self._framing.whole), self._framing)

    def finish(self) -> list[Picture]:
        return self._settle(self._detector.finish())

    def _settle(self, decisions: list[Boundary | None]) -> list[Picture]:
        taken = []
        for boundary in decisions:
            waiting = self._waiting.popleft()
            if boundary:
                self._boundaries.append((waiting.pts, boundary))
                if waiting.frame is not None:
                    waiting.picture = self._picture(waiting.frame)
            if waiting.picture is not None:
                self.sampled.append(waiting.pts)
                taken.append((waiting.pts, waiting.picture))
        return taken

    @property
    def limit(self) -> str | None:
        return f"more than {MAX_FRAMES - 1} sampled frames" if len(self.sampled) >= MAX_FRAMES - 1 else None

    @property
    def end_pts(self) -> int:
        """Where the last frame ends: after its duration, else after the median of the latest intervals."""
        if self._last is None:
            raise RuntimeError("no frame was read")
        pts, duration = self._last
        return pts + (duration or (median_low(self._intervals) if self._intervals else self._nominal))

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The shots between the first frame and `end_pts`."""
        starts = [(self.sampled[0], Boundary("start", 1.0)), *self._boundaries]
        ends = [*(pts for pts, _ in self._boundaries), self.end_pts]
        return tuple(
            Shot(start_pts=pts, end_pts=end, kind=boundary.kind, strength=round(boundary.strength, 3))
            for (pts, boundary), end in zip(starts, ends, strict=True)
        )
