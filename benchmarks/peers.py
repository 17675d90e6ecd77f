"""Other coders over the same frames at fixed qualities, measured in a pool of processes; points can be kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import features

from benchmarks import environment
from benchmarks.moving import SVT_AV1, X264, X265, MovingCoder
from benchmarks.report import BenchmarkError, say
from benchmarks.score_rates import Point, score_point
from benchmarks.stills import AVIF, JPEG, WEBP, StillCoder, media_data_bytes

SCORES = 1  # to be raised when points are measured differently: those kept from before no longer count


@dataclass(frozen=True, slots=True)
class Peer:
    """A coder and the qualities at which it is measured."""

    coder: StillCoder | MovingCoder
    qualities: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.coder.name

    def point(self, frames: NDArray[np.uint8], quality: int) -> Point:
        """frames: (n, 3, H, W) uint8 RGB, one a second, coded and compared with what they decode to."""
        if isinstance(self.coder, MovingCoder):
            n_bytes, shown = self.coder.code(frames, quality)
            return score_point(frames, shown, quality=quality, n_bytes=n_bytes)
        files = [self.coder.save(frame, quality) for frame in frames]
        shown = np.stack([self.coder.open(data) for data in files])
        bare = sum(map(media_data_bytes, files)) if self.coder is AVIF else None
        return score_point(frames, shown, quality=quality, n_bytes=sum(map(len, files)), bare_bytes=bare)

    def versions(self) -> list[str | None]:
        """Of what its bytes and pictures come from."""
        if isinstance(self.coder, MovingCoder):
            return [_versions()["ffmpeg"]]
        library = {"JPEG": "libjpeg_turbo", "WEBP": "webp", "AVIF": "avif"}[self.coder.form]
        return [_versions()["pillow"], features.version(library)]


PEERS: Mapping[str, Peer] = {
    "jpeg": Peer(JPEG, (2, 5, 9, 14, 20, 30, 45, 65)),
    "webp": Peer(WEBP, (0, 2, 6, 12, 20, 35, 52, 70)),
    "avif": Peer(AVIF, (0, 6, 12, 18, 25, 34, 44, 58)),
    "x264": Peer(X264, (51, 48, 45, 42, 39, 36, 33, 29)),
    "x265": Peer(X265, (51, 48, 45, 42, 39, 36, 33, 29)),
    "svt-av1": Peer(SVT_AV1, (63, 61, 58, 54, 49, 43, 36, 28)),
}


@dataclass(frozen=True, slots=True)
class PointShelf:
    """Measured points in a folder, a JSON file for each coder and frames."""

    folder: Path

    def path(self, peer: Peer, frames: NDArray[np.uint8]) -> Path:
        """Where the points of these frames are: named by all that they depend on but the quality."""
        coder = peer.coder
        settings = dict(coder.settings) if isinstance(coder, StillCoder) else list(coder.settings)
        told = [SCORES, coder.name, settings, peer.versions(), frames.shape]
        digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(frames).tobytes())
        return self.folder / f"{digest.hexdigest()}.json"

    def read(self, path: Path) -> dict[int, Point]:
        """By quality. Raises BenchmarkError for a file that holds something else."""
        if not path.exists():
            return {}
        try:
            points = [Point.from_json(fields) for fields in json.loads(path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BenchmarkError(f"{path} holds no points of an earlier run ({error!r}): delete it") from error
        return {point.quality: point for point in points}

    def write(self, path: Path, points: Mapping[int, Point]) -> None:
        """In place of what was kept before; a run that is stopped leaves whole files."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".new")
        whole.write_text(json.dumps([asdict(point) for point in points.values()]), encoding="utf-8")
        whole.replace(path)


def measure_peers(
    names: Sequence[str], videos: Sequence[NDArray[np.uint8]], *, pool: Executor, shelf: PointShelf
) -> list[dict[str, tuple[Point, ...]]]:
    """For each video, (n, 3, H, W) uint8 RGB a video, the points of the peers named, by the coders' names."""
    found: list[dict[str, tuple[Point, ...]]] = [{} for _ in videos]
    waiting: dict[Future[list[Point]], tuple[int, str, Path, dict[int, Point]]] = {}
    for name in names:
        peer = PEERS[name]
        for number, frames in enumerate(videos):
            path = shelf.path(peer, frames)
            kept = shelf.read(path)
            missing = [quality for quality in peer.qualities if quality not in kept]
            if missing:
                waiting[pool.submit(measure_one, name, frames, missing)] = number, name, path, kept
            else:
                found[number][peer.name] = tuple(kept[quality] for quality in peer.qualities)
    say(f"coding by {', '.join(names)}: {len(waiting)} of {len(names) * len(videos)} curves are not kept yet")
    try:
        for done, future in enumerate(as_completed(waiting), 1):
            number, name, path, kept = waiting[future]
            points = kept | {point.quality: point for point in future.result()}
            shelf.write(path, points)
            found[number][PEERS[name].name] = tuple(points[quality] for quality in PEERS[name].qualities)
            if done % 20 == 0:
                say(f"  {done} of {len(waiting)}")
    finally:
        for future in waiting:
            future.cancel()
    return found


def measure_one(name: str, frames: NDArray[np.uint8], qualities: Sequence[int]) -> list[Point]:
    """In a process of the pool: the points of one video, (n, 3, H, W) uint8 RGB, by one peer."""
    return [PEERS[name].point(frames, quality) for quality in qualities]


@cache
def _versions() -> dict[str, str | None]:
    return environment.versions()
