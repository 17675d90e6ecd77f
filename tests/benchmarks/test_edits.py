"""What the edits of the copies benchmark do to pictures."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image

from benchmarks.edits import EDITS, Edit, differs, homography, unchanged
from benchmarks.environment import ROOT
from tests import videos

PICTURE, OTHER = (Image.fromarray(videos.texture(scene, (144, 256)).transpose(1, 2, 0)) for scene in (3, 4))
OF_PICTURES = [edit for edit in EDITS.values() if edit.prepare is not unchanged]


def edited(name: str, *, seed: int = 1) -> Image.Image:
    return EDITS[name].prepare(Random(seed))(PICTURE, OTHER)


def changed_share(name: str, *, seed: int) -> float:
    """Of the picture's area, where an edit that keeps its size changes anything."""
    return float((np.asarray(edited(name, seed=seed)) != np.asarray(PICTURE)).any(axis=2).mean())


def test_every_edit_does_something() -> None:
    for edit in EDITS.values():
        coded = edit.scale < 1 or edit.crf > 30 or edit.speed != 1 or edit.still or edit.whole_s is not None
        assert coded or differs(edited(edit.name), PICTURE), edit.name


def test_the_documentation_tells_every_edit_and_its_strength() -> None:
    told = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for edit in EDITS.values():
        assert f"| {edit.name} | {edit.strength} |" in told


@pytest.mark.parametrize("edit", OF_PICTURES, ids=lambda edit: edit.name)
def test_equal_seeds_change_pictures_alike(edit: Edit) -> None:
    assert not differs(edited(edit.name, seed=5), edited(edit.name, seed=5))


@pytest.mark.parametrize("edit", [edit for edit in OF_PICTURES if edit.name != "noise"], ids=lambda edit: edit.name)
def test_all_frames_of_a_query_are_changed_alike(edit: Edit) -> None:
    change = edit.prepare(Random(2))
    assert not differs(change(PICTURE, OTHER), change(PICTURE, OTHER))


def test_a_crop_keeps_three_tenths_of_the_area() -> None:
    for seed in range(5):
        width, height = edited("crop", seed=seed).size
        assert width * height / (256 * 144) == pytest.approx(0.3, rel=0.02)


def test_a_turned_crop_is_upright_out_of_a_wide_picture_and_wide_out_of_an_upright_one() -> None:
    assert edited("turned crop").size == (81, 144)
    upright = PICTURE.rotate(90, expand=True)
    assert EDITS["turned crop"].prepare(Random(1))(upright, OTHER).size == (144, 81)


@pytest.mark.parametrize(("name", "least"), [("stickers", 1 / 3), ("logo and caption", 0.25)])
def test_what_lies_upon_a_picture_covers_as_much_as_is_said(name: str, least: float) -> None:
    for seed in range(8):
        assert least - 0.01 <= changed_share(name, seed=seed) <= least + 0.08


def test_a_picture_in_picture_is_a_little_over_a_third_as_wide() -> None:
    here = np.asarray(edited("picture in picture"))
    changed = (here != np.asarray(OTHER)).any(axis=2)
    columns = np.flatnonzero(changed.any(axis=0))
    assert columns[-1] - columns[0] + 1 == pytest.approx(0.35 * 256, abs=2)


def test_bars_take_their_share() -> None:
    assert edited("letterbox").size == (256, 216)
    assert not np.asarray(edited("letterbox"))[:30].any()
    assert edited("pillarbox").size == (461, 144)


def test_an_aspect_change_is_by_half() -> None:
    ratios = {round(w / h / (256 / 144), 2) for w, h in (edited("aspect", seed=seed).size for seed in range(8))}
    assert sorted({round(ratio, 1) for ratio in ratios}) == [0.7, 1.5]


def test_a_mirror_mirrors_and_grey_has_no_colour() -> None:
    assert np.array_equal(np.asarray(edited("mirror")), np.asarray(PICTURE)[:, ::-1])
    grey = np.asarray(edited("grey"))
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_a_homography_takes_each_corner_to_its_place() -> None:
    seen, flat = (
        ((3.0, 5.0), (90.0, 2.0), (97.0, 60.0), (8.0, 66.0)),
        ((0.0, 0.0), (100.0, 0.0), (100.0, 70.0), (0.0, 70.0)),
    )
    a, b, c, d, e, f, g, h = homography(seen, flat)
    for (x, y), place in zip(seen, flat, strict=True):
        scale = g * x + h * y + 1
        assert ((a * x + b * y + c) / scale, (d * x + e * y + f) / scale) == pytest.approx(place, abs=1e-6)
