"""Pictures made by program: the same for the same seed, of any size, and something happens in them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vsearch.errors import UnavailableError
from vsearch.training.drawings import SCENES, drawn_frames, scene_frames, words
from vsearch.training.drawings.paint import Scene
from vsearch.training.drawings.sequence import FAMILIES

KINDS = [pytest.param(scene, id=scene.__name__) for scene in dict.fromkeys(SCENES)]


@pytest.mark.parametrize("seed", range(12))
def test_one_seed_draws_the_same_bytes_again(seed: int) -> None:
    first, again, other = (drawn_frames(np.random.default_rng(s), 5, (72, 128)) for s in (seed, seed, seed + 100))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def digest_of_all_kinds() -> str:
    digest = hashlib.sha256()
    for number, scene in enumerate(dict.fromkeys(SCENES)):
        digest.update(scene_frames(scene, np.random.default_rng(number), 4, (54, 96)).tobytes())
    for seed in range(8):
        digest.update(drawn_frames(np.random.default_rng(seed), 4, (54, 96)).tobytes())
    return digest.hexdigest()


def test_another_process_draws_the_same_bytes() -> None:
    """Also where sets and dicts of strings are in another order."""
    code = "from tests.training.test_drawings import digest_of_all_kinds; print(digest_of_all_kinds())"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=root, timeout=120
    )
    assert done.stdout.strip() == digest_of_all_kinds()


def test_without_fonts_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match=r"nowhere\.ttf.* matplotlib"):
        words.font("nowhere.ttf", 12)
    words.fonts_folder.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UnavailableError, match=r"vsearch\[train\]"):
        words.font("DejaVuSans.ttf", 11111)


@pytest.mark.parametrize("said", ["", "one", "a few words of which some areverylongindeed and others-not"])
@pytest.mark.parametrize("letters", [4, 11, 200])
def test_wrapped_lines_are_short_unless_a_word_is_long(said: str, letters: int) -> None:
    lines = words.wrapped(said, letters)
    assert " ".join(lines) == said
    assert all(len(line) <= letters or " " not in line for line in lines)


@pytest.mark.parametrize("size", [(216, 384), (144, 256), (256, 144), (181, 333), (96, 96)])
@pytest.mark.parametrize("count", [1, 4])
def test_frames_have_the_size_that_was_asked_for(size: tuple[int, int], count: int) -> None:
    for seed in range(6):
        frames = drawn_frames(np.random.default_rng(seed), count, size)
        assert frames.shape == (count, 3, *size)
        assert frames.dtype == np.uint8
        assert frames.flags.c_contiguous


@pytest.mark.parametrize("scene", KINDS)
@pytest.mark.parametrize("size", [(144, 256), (256, 144), (97, 131)])
def test_every_kind_draws_at_wide_tall_and_odd_sizes(scene: Scene, size: tuple[int, int]) -> None:
    for seed in range(4):
        assert scene_frames(scene, np.random.default_rng(seed), 6, size).shape == (6, 3, *size)


@pytest.mark.parametrize("scene", KINDS)
def test_every_kind_shows_something_and_something_happens(scene: Scene) -> None:
    drawn = [scene_frames(scene, np.random.default_rng(seed), 10, (108, 192)) for seed in range(8)]
    assert sum(frames[-1].std() > 3 for frames in drawn) >= 6
    assert sum((frames != frames[:1]).any() for frames in drawn) >= 6


def test_most_frames_are_flat_with_sharp_edges() -> None:
    """What they are for: most neighbours are alike, and where they are not, they differ much."""
    shares = []
    for seed in range(40):
        frame = drawn_frames(np.random.default_rng(seed), 1)[0].astype(int)
        step = np.abs(np.diff(frame, axis=2)).max(0)
        shares.append([(step <= 2).mean(), (step > 40).mean()])
    flat, sharp = np.median(shares, 0)
    assert flat > 0.8
    assert sharp > 0.005


def test_all_families_have_kinds_and_none_is_of_two() -> None:
    assert len(FAMILIES) == 8
    assert sum(len(set(family)) for family in FAMILIES) == len(set(SCENES))
