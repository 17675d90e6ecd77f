"""The reader over decord (the `decord2` distribution), for files that it and their container agree on.

decord gives times as float32 seconds and pictures as RGB of the stored size. Exact times are taken from the
container's packets; if there are not as many packets as decord has frames, or a time differs by more than rounding, the
file is left to PyAV. It must be asked for by name: where it was measured PyAV took 0.5 to 0.9 of its CPU time (eight
videos of 180 to 288 lines in H.264, HEVC and VP9, one thread each, decord scaling while it decoded), so "auto" always
takes PyAV.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import decord
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.errors import MediaError
from vsearch.media.picture import PictureMaker, guessed_matrix
from vsearch.media.pyav_reader import PyAvReader, packet_times
from vsearch.media.source import SourceFile
from vsearch.records import MediaInfo

_CONTAINERS = ("mov", "matroska")  # those with exact packet times and no surprises
# FFmpeg pads rows to what the processor likes, up to 128 bytes with AVX-512; decord 3.4 takes their length by the width
# for the number of channels, which comes out as 4 for some narrow pictures (96 and 144 pixels, for instance).
_NARROW = 256
_TOLERANCE_S = 1e-3


class DecordFrame:
    """A decoded picture of decord with its place in time. See `base.DecodedFrame`."""

    __slots__ = ("_frame", "_maker", "duration", "key_frame", "luma", "pts")

    def __init__(self, frame: av.VideoFrame, maker: PictureMaker, pts: int, duration: int | None, key: bool) -> None:
        self.pts, self.duration, self.key_frame = pts, duration, key
        self.luma = maker.luma(frame)
        self._frame, self._maker = frame, maker

    def picture(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(3, height, width) uint8 RGB of `size` = (height, width)."""
        return self._maker.picture(self._frame, size)


class DecordReader:
    """One forward pass over `source`. See `base.Reader`.

    Raises NoVideoError and MediaError as PyAvReader does, and MediaError for files that are left to PyAV: image files,
    HDR, other containers than MP4 and Matroska, large pictures without a stated matrix (decord takes BT.601), narrow
    ones, names that are no UTF-8, and files whose frames or times decord counts differently from the container.
    """

    name = "decord"
    problem: str | None = None

    def __init__(self, source: SourceFile, config: ReadConfig) -> None:
        with PyAvReader(source, ReadConfig(threads=config.threads)) as described:
            self.info: MediaInfo = described.info
            self.first_pts = described.first_pts
        self._display, self._config = source.display, config
        self._refuse_unsuited()
        self._packets = packet_times(source)
        try:
            path = source.path.decode("utf-8")
            self._decoder = decord.VideoReader(str(Path(path).absolute()), num_threads=config.threads)
            times = self._decoder.get_frame_timestamp(range(len(self._decoder)))[:, 0]
        except (decord.DECORDError, RuntimeError, UnicodeDecodeError) as error:
            raise self._left_to_pyav(f"decord cannot open it ({str(error).splitlines()[0][:100]})") from error
        self._check_times(times.astype(np.float64))
        self._maker = PictureMaker(0, False, on_white=False)  # decord has applied the rotation

    def _left_to_pyav(self, why: str) -> MediaError:
        return MediaError(f"{self._display}: {why}; read it with the reader pyav")

    def _refuse_unsuited(self) -> None:
        info = self.info
        if info.container.split(",")[0] not in _CONTAINERS or info.still:
            raise self._left_to_pyav(f"{info.container} is not read with decord")
        if info.hdr:
            raise self._left_to_pyav("decord gives no HDR pictures")
        if info.mirrored:
            raise self._left_to_pyav("decord does not mirror pictures")
        width = info.height if info.rotation in (90, 270) else info.width
        if width < _NARROW:
            raise self._left_to_pyav("decord may misread pictures as narrow as these")
        if info.color_space is None and guessed_matrix(info.width, info.height) != Colorspace.ITU601:
            raise self._left_to_pyav("its colour matrix is not stated")

    def _check_times(self, times: NDArray[np.float64]) -> None:
        """Raises MediaError unless decord's frames are the container's packets."""
        if len(times) != len(self._packets):
            raise self._left_to_pyav(f"decord counts {len(times)} frames, the container {len(self._packets)}")
        base = self.info.time_base
        exact = np.array([float((pts - self.first_pts) * base) for pts, _, _ in self._packets])
        allowed = _TOLERANCE_S + np.abs(exact) * 2.0**-22  # decord's times are float32
        if len(times) and (np.abs(times - times[0] - exact) > allowed).any():
            raise self._left_to_pyav("decord and the container disagree about times")

    def frames(self) -> Iterator[DecordFrame]:
        """Every frame of the range once, in order."""
        base = self.info.time_base
        start = self.first_pts + round(Fraction(self._config.start_s or 0) / base)
        end = None if self._config.end_s is None else self.first_pts + round(Fraction(self._config.end_s) / base)
        for number, (pts, duration, key) in enumerate(self._packets):
            if pts < start or (self._config.sampling == "keyframes" and not key):
                continue
            if end is not None and pts >= end:
                return
            try:
                pixels = self._decoder[number].asnumpy()
            except (decord.DECORDError, RuntimeError) as error:
                self.problem = f"decord stopped at frame {number} ({str(error).splitlines()[0][:100]})"
                return
            yield DecordFrame(av.VideoFrame.from_ndarray(pixels, format="rgb24"), self._maker, pts, duration, key)

    def close(self) -> None:
        del self._decoder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
