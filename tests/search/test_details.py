"""Details: they tell the same picture from another one, say where it is, and whether it moves alike."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image

from tests.videos import texture
from vsearch.search.details import Details, Ground, Likeness, Lineup, Motion, details_of, likeness, luma_of
from vsearch.search.looking import Seen

SIZE = (144, 256)


def picture(scene: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return luma_of(texture(scene, size)[None])[0]


def part(luma: np.ndarray, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """A part of a picture, as large as the whole."""
    image = Image.fromarray(np.ascontiguousarray(luma[top:bottom, left:right]))
    return np.asarray(image.resize(luma.shape[::-1], Image.Resampling.BILINEAR))


def alike(asked: np.ndarray, found: np.ndarray) -> Likeness:
    return likeness([details_of(asked)], [details_of(found)], width=asked.shape[1])


def test_a_crop_is_found_where_it_was_cut() -> None:
    whole = picture(1)
    found = alike(part(whole, 20, 110, 70, 230), whole)
    assert found.alike > 40
    assert not found.mirrored
    assert found.map is not None
    corners = found.map @ np.array([[0, 255, 128], [0, 143, 72], [1, 1, 1]])
    assert corners == pytest.approx(np.array([[70, 229, 150], [20, 109, 65]]), abs=2)


def test_a_mirrored_picture_is_recognised_as_one() -> None:
    found = alike(picture(2)[:, ::-1], picture(2))
    assert found.mirrored
    assert found.alike > 40


def test_a_small_picture_on_another_one_is_found() -> None:
    canvas = picture(3).copy()
    inset = Image.fromarray(picture(4)).resize((102, 58), Image.Resampling.BOX)
    canvas[60:118, 130:232] = np.asarray(inset)
    found = alike(canvas, picture(4))
    assert found.alike >= 8
    assert found.map is not None
    assert found.map @ np.array([130, 60, 1]) == pytest.approx([0, 0], abs=6)


@pytest.mark.parametrize("change", [lambda x: x // 4 + 20, lambda x: 255 - (255 - x) // 3])
def test_dim_and_pale_pictures_keep_their_details(change: object) -> None:
    assert callable(change)
    assert alike(change(picture(5)), picture(5)).alike > 40


def test_other_pictures_have_next_to_nothing_in_common() -> None:
    counts = [alike(picture(a), picture(b)).alike for a in range(6, 12) for b in range(12, 16)]
    assert np.mean(counts) < 5
    assert max(counts) < 12


def test_a_flat_picture_has_no_details_and_is_like_nothing() -> None:
    flat = np.full(SIZE, 90, np.uint8)
    assert len(details_of(flat).points) == 0
    found = alike(flat, picture(1))
    assert (found.alike, found.map, found.asked) == (0, None, 0.0)


def test_mirrored_details_are_those_of_the_mirrored_picture() -> None:
    here, there = details_of(picture(7)).mirrored(256), details_of(np.ascontiguousarray(picture(7)[:, ::-1]))
    apart = np.linalg.norm(here.points[:, None] - there.points[None], axis=2)
    same = apart.min(axis=1) < 1
    cosines = np.einsum("nd,nd->n", here.descriptors[same], there.descriptors[apart.argmin(axis=1)[same]])
    assert same.mean() > 0.4
    assert np.median(cosines) > 0.99


def test_mirroring_twice_changes_nothing() -> None:
    details = details_of(picture(8))
    twice = details.mirrored(256).mirrored(256)
    assert np.allclose(twice.points, details.points, atol=1e-4)
    assert np.array_equal(twice.descriptors, details.descriptors)


def walkers(places: list[int]) -> np.ndarray:
    """A room in which a block stands at these columns, frame by frame."""
    frames = np.repeat(picture(9)[None], len(places), axis=0)
    for frame, left in zip(frames, places, strict=True):
        frame[50:120, left : left + 24] = 250
    return frames


def motion(asked: np.ndarray, found: np.ndarray, alike: Likeness, lineups: list[Lineup]) -> Motion:
    """That of the lineup that agrees best."""
    return Seen.of(alike, Ground(dict(enumerate(asked)), found, alike).motions(lineups)).motion


def watched(asked: np.ndarray, found: np.ndarray) -> Motion:
    pairs = [[details_of(one) for one in side] for side in (asked, found)]
    return motion(asked, found, likeness(*pairs, width=asked.shape[2]), [beside(0.0, range(len(asked)))])


def beside(shift_s: float, rows: Iterable[int], first: int = 0) -> Lineup:
    """These pictures of a query beside frames `first`, `first` + 1 and so on."""
    some = np.array(list(rows))
    return Lineup(shift_s, some, np.arange(first, first + len(some)))


def test_the_same_moment_changes_alike_and_another_one_in_the_same_room_does_not() -> None:
    here = walkers([20, 60, 100, 140])
    same, other = watched(here, here), watched(here, walkers([200, 160, 90, 30]))
    assert same.agreement > 0.7  # of at most 1 - 1 / 4
    assert other.agreement < 0.3
    assert min(same.change, other.change) > 10


def test_mirrored_footage_changes_alike() -> None:
    here = walkers([20, 60, 100, 140])
    assert watched(np.ascontiguousarray(here[:, :, ::-1]), here).agreement > 0.7


def test_of_one_pair_and_without_a_map_no_motion_is_known() -> None:
    one = walkers([40])
    assert watched(one, one) == Motion()
    two = walkers([20, 60])
    assert motion(two, two, Likeness(0, None, False, 9.0, 9.0), [beside(0.0, [0, 1])]) == Motion()


@pytest.mark.parametrize(("alike", "speaks"), [(5, False), (6, True)])
def test_under_a_map_of_few_details_what_moves_speaks_only_against_a_match(alike: int, speaks: bool) -> None:
    here, few = walkers([20, 60, 100, 140]), Likeness(alike, np.eye(2, 3), False, 200.0, 200.0)
    same = motion(here, here, few, [beside(0.0, range(4))])
    assert (same.agreement > 0.7) == speaks
    assert same.change > 10
    other = motion(here, walkers([140, 100, 60, 20]), few, [beside(0.0, range(4))])
    assert other.agreement < 0


def test_the_pairing_that_agrees_best_is_found_and_the_expected_one_kept_where_others_are_hardly_better() -> None:
    walk = walkers([20, 60, 100, 140, 180, 220])
    pairs = [[details_of(one) for one in side] for side in (walk[:3], walk[:3])]
    alike = likeness(*pairs, width=walk.shape[2])
    expected, later = beside(0.0, [0, 1, 2]), beside(2.0, [2, 3, 4])
    assert motion(walk, walk[2:], alike, [expected, later]).shift_s == 2.0
    assert motion(walk, walk, alike, [expected, later]).shift_s == 0.0
    still = np.repeat(walk[:1], 6, axis=0)
    assert motion(still, still, alike, [expected, later]).shift_s == 0.0


def test_where_the_expected_lineup_says_nothing_another_one_must_say_more_than_two_pairs_do() -> None:
    walk = walkers([20, 60, 100, 140, 180, 220])
    pairs = [[details_of(one) for one in side] for side in (walk[:3], walk[:3])]
    alike = likeness(*pairs, width=walk.shape[2])
    alone = beside(0.0, [0])
    assert motion(walk, walk[2:], alike, [alone, beside(2.0, [2, 3])]) == Motion()
    assert motion(walk, walk[2:], alike, [alone, beside(2.0, [2, 3, 4])]).shift_s == 2.0


def test_luma_weighs_green_most() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
    assert luma_of(colours[:, :, None, None])[:, 0, 0].tolist() == [76, 150, 29, 255]


def test_nothing_to_compare_is_no_likeness() -> None:
    none = Details(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    assert likeness([none], [none], width=256).alike == 0
