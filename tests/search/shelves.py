"""Libraries of invented videos, for tests of searching: real stores, vectors with a known course in time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tests.db.samples import indexed, sighting
from vsearch.db.store import Store
from vsearch.records import EmbeddingBlock, IndexedVideo
from vsearch.search.queries.base import QueryFrames

HEAD = "a" * 64
D = 64
WORLD_FPS = 20


def world(seconds: float, *, seed: int, speed: float = 0.25, cut_s: float = 8.0, d: int = D) -> NDArray[np.float32]:
    """(n, d) float32, 20 vectors a second: each shot wanders about a direction of its own, cuts come at random."""
    rng = np.random.default_rng(seed)
    n = round(seconds * WORLD_FPS)
    steps = rng.normal(size=(n, d)) * speed * np.sqrt(2 / WORLD_FPS)
    cuts = rng.random(n) < 1 / (cut_s * WORLD_FPS)
    vectors = np.empty((n, d))
    base, state = rng.normal(size=d), rng.normal(size=d)
    for i in range(n):
        if cuts[i]:
            base, state = rng.normal(size=d), rng.normal(size=d)
        state = state + steps[i]
        state *= np.sqrt(d) / np.linalg.norm(state)
        vectors[i] = base + state
    return vectors.astype(np.float32)


def seen(course: NDArray[np.float32], times_s: NDArray[np.float64], *, noise: float, seed: int) -> NDArray[np.float32]:
    """Unit vectors (m, d) of a course at some times, as an edit leaves them: one shift for all, and some for each."""
    rng = np.random.default_rng(seed)
    picked = course[np.clip(np.round(times_s * WORLD_FPS).astype(int), 0, len(course) - 1)]
    shifted = picked + noise * rng.normal(size=picked.shape[1]) + noise / 2 * rng.normal(size=picked.shape)
    return (shifted / np.linalg.norm(shifted, axis=1, keepdims=True)).astype(np.float32)


def excerpt(
    course: NDArray[np.float32],
    start_s: float,
    end_s: float,
    *,
    rate: float = 1.0,
    noise: float = 0.3,
    fps: float = 4.0,
) -> QueryFrames:
    """A query that shows [start_s, end_s) of a course at `rate`."""
    duration = (end_s - start_s) / rate
    times = np.arange(round(duration * fps)) / fps
    vectors = seen(course, start_s + rate * times, noise=noise, seed=99)
    return QueryFrames(vectors, times, np.ones(len(times), np.float32), 0.0, duration, still=False)


def picture(course: NDArray[np.float32], at_s: float) -> QueryFrames:
    vectors = seen(course, np.array([at_s]), noise=0.2, seed=98)
    return QueryFrames(vectors, np.zeros(1), np.ones(1, np.float32), 0.0, 0.0, still=True)


def video_of(course: NDArray[np.float32], name: str, *, low: NDArray[np.bool_] | None = None) -> IndexedVideo:
    """What indexing a course at one frame a second would store."""
    n = len(course) // WORLD_FPS
    units = seen(course, np.arange(n, dtype=np.float64), noise=0.0, seed=0)
    scale = float(np.abs(units).max()) / 127
    marks = np.zeros(n, bool) if low is None else low
    block = EmbeddingBlock(HEAD, 0, np.rint(units / scale).astype(np.int8), scale, marks)
    tick = Fraction(1, 90000)
    assert indexed().info.time_base == tick
    return indexed(name, n=n, embeddings=(block,))


def put(store: Store, course: NDArray[np.float32], name: str, *, low: NDArray[np.bool_] | None = None) -> int:
    """The id of a new video."""
    return store.add_video(video_of(course, name, low=low), sighting(name.encode()))
