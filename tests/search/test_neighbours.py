"""Frames of other videos that are like each frame, against comparing all with all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch.records import frame_id
from vsearch.search.neighbours import FrameTable, JoinSettings, alike

Found = dict[tuple[int, int], float]


def table_of(tracks: list[NDArray[np.floating]]) -> FrameTable:
    ids = [frame_id(video, number) for video, track in enumerate(tracks, 1) for number in range(len(track))]
    vectors = np.concatenate(tracks)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return FrameTable(np.array(ids), unit.astype(np.float16))


def films(n: int, *, seed: int = 0, d: int = 32) -> list[NDArray[np.floating]]:
    """Videos of 1 to 40 frames, each around a direction of its own."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 40, n)
    return [rng.normal(size=d) + 0.5 * rng.normal(size=(length, d)) for length in lengths]


def found(table: FrameTable, *, least: float, most: int, settings: JoinSettings) -> Found:
    """The cosine of each frame (row) with the best frame of each other video that was given for it."""
    pairs: Found = {}
    for batch in alike(table, least=least, most=most, settings=settings):
        assert (np.diff(batch.rows) >= 0).all()
        for row, other, cosine in zip(
            batch.rows.tolist(), table.videos[batch.others].tolist(), batch.cosines.tolist(), strict=True
        ):
            assert (row, other) not in pairs
            pairs[row, other] = cosine
    return pairs


def compared(table: FrameTable, *, least: float, most: int) -> Found:
    """The same, every frame being compared with every other."""
    vectors, videos = table.vectors.astype(np.float32), table.videos
    pairs: Found = {}
    for row, cosines in enumerate(vectors @ vectors.T):
        best = {
            video: float(cosines[videos == video].max()) for video in np.unique(videos).tolist() if video != videos[row]
        }
        near = sorted((video for video in best if best[video] >= least), key=lambda video: -best[video])
        pairs.update({(row, video): best[video] for video in near[:most]})
    return pairs


@pytest.mark.parametrize("batch", [1, 100, 1 << 15])
def test_small_libraries_are_compared_exactly_whatever_the_batches(batch: int) -> None:
    table = table_of(films(40))
    pairs = found(table, least=0.3, most=4, settings=JoinSettings(batch=batch))
    wanted = compared(table, least=0.3, most=4)
    assert wanted
    assert set(pairs) == set(wanted)
    assert all(pairs[pair] == pytest.approx(wanted[pair], abs=1e-5) for pair in pairs)


def test_large_libraries_invent_nothing_and_miss_little_that_is_near() -> None:
    tracks = films(150)
    rng = np.random.default_rng(5)
    copies = [track + 0.3 * rng.normal(size=track.shape) for track in tracks[:50]]
    table = table_of([*tracks, *copies])
    pairs = found(table, least=0.7, most=5, settings=JoinSettings(exact_up_to=0))
    wanted = compared(table, least=0.7, most=5)
    assert set(pairs) <= set(compared(table, least=0.69, most=1000))
    assert len(set(pairs) & set(wanted)) > 0.97 * len(wanted)


def test_a_fixed_camera_hides_nobody_behind_its_own_frames() -> None:
    rng = np.random.default_rng(1)
    view = rng.normal(size=32)
    camera = view + 0.02 * rng.normal(size=(3000, 32))
    visitor = view + 0.02 * rng.normal(size=(5, 32))
    table = table_of([camera, *films(30), visitor])
    settings = JoinSettings(exact_up_to=0)
    pairs = found(table, least=0.9, most=3, settings=settings)
    assert {other for row, other in pairs if table.videos[row] == 1} == {32}
    assert len({row for row, other in pairs if other == 32}) > 300
    assert len({row for row, other in pairs if table.videos[row] == 32 and other == 1}) == 5


def test_what_many_videos_share_is_compared_with_some_of_them() -> None:
    rng = np.random.default_rng(2)
    ident = rng.normal(size=32)
    table = table_of([np.concatenate([ident + 0.01 * rng.normal(size=(1, 32)), film]) for film in films(300)])
    settings = JoinSettings(exact_up_to=0, members=60)
    pairs = found(table, least=0.95, most=24, settings=settings)
    shared = np.flatnonzero(np.diff(table.videos, prepend=0))
    counts = [sum(row == one for row, _ in pairs) for one in shared.tolist()]
    assert min(counts) == 24


@pytest.mark.parametrize("tracks", [[], films(1), [np.ones((1, 4)), np.ones((1, 4))]])
def test_next_to_nothing_is_no_trouble(tracks: list[NDArray[np.floating]]) -> None:
    table = table_of(tracks) if tracks else FrameTable(np.empty(0, np.int64), np.empty((0, 1), np.float16))
    pairs = found(table, least=0.5, most=3, settings=JoinSettings())
    assert set(pairs) == ({(0, 2), (1, 1)} if len(tracks) == 2 else set())
