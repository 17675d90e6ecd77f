"""The shot detector on sequences whose boundaries are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.score_shots import Transition, score
from tests.videos import scene_frames
from vsearch.media.shots import Boundary, ShotDetector

SIZE = (36, 64)
Luma = NDArray[np.uint8]


def scene(number: int, frames: int, speed: float = 0.2) -> NDArray[np.float32]:
    return np.array([picture.mean(axis=0) for picture in scene_frames(number, frames, SIZE, speed=speed)], np.float32)


def detect(pictures: NDArray[np.float32], fps: float = 25) -> dict[int, Boundary]:
    detector = ShotDetector(fps)
    decisions = [d for luma in pictures.astype(np.uint8) for d in detector.push(luma)] + detector.finish()
    assert len(decisions) == len(pictures)
    return {number: decision for number, decision in enumerate(decisions) if decision}


def dissolve(old: NDArray[np.float32], new: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    share = (np.arange(1, frames + 1, dtype=np.float32) / (frames + 1))[:, None, None]
    mixed = old[-frames:] * (1 - share) + new[:frames] * share
    return np.concatenate([old[:-frames], mixed, new[frames:]])


def test_hard_cuts_are_found_at_their_frame() -> None:
    found = detect(np.concatenate([scene(1, 40), scene(2, 30), scene(3, 50)]))
    assert list(found) == [40, 70]
    assert all(boundary.kind == "cut" for boundary in found.values())


def test_a_shot_without_a_boundary_has_none() -> None:
    assert not detect(scene(1, 200, speed=0.5))


def test_one_frame_and_no_frame_are_no_boundaries() -> None:
    assert detect(scene(1, 1)) == {}
    assert ShotDetector(25).finish() == []


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_flashes_make_no_shots(frames: int) -> None:
    pictures = scene(4, 100)
    pictures[50 : 50 + frames] += (245 - pictures[50 : 50 + frames]) * 0.8
    assert not detect(pictures)


def test_a_lost_frame_makes_no_shot() -> None:
    pictures = scene(4, 100)
    pictures[50] = 16
    assert not detect(pictures)


@pytest.mark.parametrize("frames", [12, 25, 45])
def test_a_dissolve_is_one_boundary_at_its_end(frames: int) -> None:
    found = detect(dissolve(scene(1, 90), scene(2, 90), frames))
    assert [boundary.kind for boundary in found.values()] == ["dissolve"]
    assert 90 - frames // 3 <= next(iter(found)) <= 98


def test_a_fade_through_black_is_one_boundary_after_the_black() -> None:
    old, new = scene(1, 80), scene(2, 80)
    down = np.linspace(1, 0, 20, dtype=np.float32)[:, None, None]
    old[-20:] = (old[-20:] - 16) * down + 16
    new[:20] = (new[:20] - 16) * down[::-1] + 16
    found = detect(np.concatenate([old, np.full((15, *SIZE), 16, np.float32), new]))
    assert [boundary.kind for boundary in found.values()] == ["fade"]
    assert 95 <= next(iter(found)) <= 115


@pytest.mark.parametrize("number", [1, 2, 4, 6])
@pytest.mark.parametrize("speed", [0.5, 1.0])
def test_a_pan_is_no_dissolve(number: int, speed: float) -> None:
    assert not detect(scene(number, 120, speed=speed))


def test_brightening_is_no_boundary() -> None:
    assert not detect(scene(3, 100, speed=0) * np.linspace(0.4, 1, 100, dtype=np.float32)[:, None, None])


def test_slow_videos_are_cut_where_the_picture_is_new() -> None:
    found = detect(np.concatenate([scene(1, 3), scene(2, 1), scene(3, 4)]), fps=0.5)
    assert list(found) == [3, 4]


def test_decisions_come_a_bounded_number_of_frames_late() -> None:
    for fps in (1, 10, 25, 60, 1000):
        assert ShotDetector(fps).look_ahead <= 8


def test_scores_count_each_boundary_once() -> None:
    truth = [Transition("cut", 10, 10), Transition("dissolve", 30, 40)]
    result = score([([9, 11, 44, 90], truth)], slack=1, late=8)
    assert (result.hits, result.predicted, result.truth) == (2, 4, 2)
    assert result.found == {"cut": (1, 1), "dissolve": (1, 1)}
    assert (result.precision, result.recall) == (0.5, 1.0)
