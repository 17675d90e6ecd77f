"""Finding copies by comparing single frames, as others do: PDQ matched as vPDQ matches it, pHash, a colour layout.

Every peer describes a frame by a unit vector (bits are +1 and -1 over the root of their number, so that the cosine
tells the Hamming distance), one frame a second, and ignores the order of frames. Descriptions are kept in files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.datasets import Video
from benchmarks.edited_queries import QuerySet, timed_pictures
from benchmarks.edits import Picture
from benchmarks.report import BenchmarkError, say
from benchmarks.score_copies import CopyAnswer, CopyHit

EVERY_S = 1.0
LAYOUT = 8
PDQ_BITS, PDQ_DISTANCE, PDQ_QUALITY = 256, 31, 50  # vPDQ's own values
PHASH_BITS, PHASH_DISTANCE = 64, 10

Vector = NDArray[np.float32]


def _pdq(picture: Picture) -> tuple[Vector, bool]:
    import pdqhash

    bits, quality = pdqhash.compute(np.asarray(picture))
    return _unit(np.asarray(bits, np.float32) * 2 - 1), int(quality) >= PDQ_QUALITY


def _phash(picture: Picture) -> tuple[Vector, bool]:
    import imagehash

    return _unit(imagehash.phash(picture).hash.ravel().astype(np.float32) * 2 - 1), True


def _layout(picture: Picture) -> tuple[Vector, bool]:
    grid = np.asarray(picture.resize((LAYOUT, LAYOUT), Image.Resampling.BOX), np.float32).reshape(-1, 3)
    centred = grid - grid.mean(axis=0)
    return _unit(centred.ravel()), bool(np.abs(centred).max() >= 1)


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


@dataclass(frozen=True, slots=True)
class FramePeer:
    """One way to describe frames.

    package: what it needs. describe: a vector, and whether the frame is good enough to match. least_cosine: from where
    on two frames match, the score being the share of the query's frames that do; None: the mean of the best cosines.
    """

    name: str
    title: str
    package: str | None
    describe: Callable[[Picture], tuple[Vector, bool]]
    least_cosine: float | None


PEERS: Mapping[str, FramePeer] = {
    peer.name: peer
    for peer in (
        FramePeer("pdq", "PDQ frames (vPDQ)", "pdqhash", _pdq, 1 - 2 * (PDQ_DISTANCE + 0.5) / PDQ_BITS),
        FramePeer("phash", "pHash frames", "imagehash", _phash, 1 - 2 * (PHASH_DISTANCE + 0.5) / PHASH_BITS),
        FramePeer("layout", "colour layout 8x8", None, _layout, None),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """The frames of a file that are good enough: (n, d) float32 unit vectors, (n,) seconds since the first frame, and
    how long the file is.
    """

    vectors: Vector
    times_s: NDArray[np.float64]
    length_s: float


def check_peers(names: Sequence[str]) -> None:
    """Raises BenchmarkError for an unknown peer or one whose package is absent: before the long part of a run."""
    for name in names:
        if name not in PEERS:
            raise BenchmarkError(f"--peers knows {', '.join(PEERS)}, not {name!r}")
        package = PEERS[name].package
        if package is not None and find_spec(package) is None:
            raise BenchmarkError(f"peer {name} needs {package}: pip install 'vsearch[bench]', or name other --peers")


def describe_files(
    paths: Sequence[Path], peers: Sequence[str], cache: Path, *, workers: int
) -> list[dict[str, Described]]:
    """Every file as every peer sees it, in the order of `paths`; kept in the folder `cache`."""
    needed = [PEERS[name].package for name in peers]
    told = [[package, version(package)] for package in needed if package] + [list(peers), [str(path) for path in paths]]
    digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=6)
    digest.update(Path(__file__).read_bytes())
    kept = cache / f"frames-{digest.hexdigest()}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        say(f"describing the frames of {len(paths)} files by {', '.join(peers)}")
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(_describe, paths, [tuple(peers)] * len(paths), chunksize=8))
        _keep(kept, found, peers)
    return _read(kept, peers, len(paths))


def _describe(path: Path, peers: Sequence[str]) -> dict[str, Described]:
    """In a process of the pool: the frames of one file, a second apart."""
    times_s: list[float] = []
    found: dict[str, list[tuple[Vector, bool]]] = {name: [] for name in peers}
    end_s = 0.0
    for time_s, end_s, picture in timed_pictures(path, least_step_s=EVERY_S - 1e-3):  # noqa: B007
        if picture is not None:
            times_s.append(time_s)
            for name in peers:
                found[name].append(PEERS[name].describe(picture))
    return {name: _good_ones(frames, np.array(times_s), end_s) for name, frames in found.items()}


def _good_ones(frames: Sequence[tuple[Vector, bool]], times_s: NDArray[np.float64], length_s: float) -> Described:
    good = np.array([usable for _, usable in frames])
    return Described(np.stack([vector for vector, _ in frames])[good], times_s[good], length_s)


def _keep(path: Path, found: Sequence[Mapping[str, Described]], peers: Sequence[str]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name in peers:
        every = [one[name] for one in found]
        arrays[f"{name} vectors"] = np.concatenate([one.vectors for one in every]).astype(np.float16)
        arrays[f"{name} times"] = np.concatenate([one.times_s for one in every])
        arrays[f"{name} counts"] = np.array([len(one.times_s) for one in every])
        arrays[f"{name} lengths"] = np.array([one.length_s for one in every])
    whole = path.with_suffix(".new.npz")
    np.savez(whole, **arrays)  # type: ignore[arg-type]
    whole.replace(path)


def _read(path: Path, peers: Sequence[str], files: int) -> list[dict[str, Described]]:
    found: list[dict[str, Described]] = [{} for _ in range(files)]
    with np.load(path) as kept:
        for name in peers:
            ends = np.cumsum(kept[f"{name} counts"])[:-1]
            vectors = np.split(kept[f"{name} vectors"].astype(np.float32), ends)
            times = np.split(kept[f"{name} times"], ends)
            for one, rows, at, length in zip(found, vectors, times, kept[f"{name} lengths"], strict=True):
                one[name] = Described(rows, at, float(length))
    return found


def answer_all(
    peer: FramePeer,
    asked: QuerySet,
    sources: Mapping[str, Video],
    described: Sequence[Described],
    gallery: Sequence[tuple[Video, Described]],
    *,
    k: int,
) -> list[CopyAnswer]:
    """What the peer answers to every query, given as `described`, best first."""
    vectors = np.concatenate([one.vectors for _, one in gallery])
    times = np.concatenate([one.times_s for _, one in gallery])
    starts = np.cumsum([0, *(len(one.times_s) for _, one in gallery)])
    answers = []
    for query, one in zip(asked.queries, described, strict=True):
        cosines = one.vectors @ vectors.T
        ranked = []
        for number, (video, _) in enumerate(gallery):
            part = slice(starts[number], starts[number + 1])
            hit = compare(peer, one, cosines[:, part], times[part], video, still=query.still)
            if hit is not None:
                ranked.append(hit)
        ranked.sort(key=lambda hit: (-hit.score, -hit.similarity))
        answers.append(CopyAnswer(query, sources[query.source], tuple(ranked[:k])))
    return answers


def compare(
    peer: FramePeer, query: Described, cosines: Vector, times_s: NDArray[np.float64], video: Video, *, still: bool
) -> CopyHit | None:
    """A query and a video: (m, n) cosines of their frames. None where no frame matches.

    Where it is: from the first to the last frame of the query that matches, moved by the median difference in time
    between the query's frames and those that they match best.
    """
    if 0 in cosines.shape:
        return None
    best = cosines.max(axis=1)
    matching = best >= (-1.0 if peer.least_cosine is None else peer.least_cosine)
    if not matching.any():
        return None
    offset_s = float(np.median((times_s[cosines.argmax(axis=1)] - query.times_s)[matching]))
    first_s, last_s = query.times_s[matching][[0, -1]].tolist()
    until_s = min(last_s + EVERY_S, query.length_s)
    similarity = float(best[matching].mean())
    return CopyHit(
        video=video,
        start_s=max(0.0, first_s + offset_s),
        end_s=(last_s + EVERY_S if still else until_s) + offset_s,
        query_start_s=None if still else first_s,
        query_end_s=None if still else until_s,
        similarity=similarity,
        score=similarity if peer.least_cosine is None else float(matching.mean()),
    )
