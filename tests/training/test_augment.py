"""What editors do, and what makes other pictures of few."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.videos import texture
from vsearch.errors import InputError
from vsearch.training.augment import edited, varied
from vsearch.training.embedding import HeadRecipe


def picture(seed: int) -> Tensor:
    return torch.from_numpy(texture(seed, (120, 200))).float() / 255


@pytest.mark.parametrize("seed", range(12))
def test_a_picture_and_a_frame_near_it_are_changed_alike(seed: int) -> None:
    whole = picture(1)
    first, near = varied(whole, whole.clone(), np.random.default_rng(seed), crops=0.5)
    assert torch.equal(first, near)
    assert min(first.shape[1:]) >= 96
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_variety_makes_other_pictures_and_parts_of_them() -> None:
    whole = picture(2)
    made = [varied(whole, whole, np.random.default_rng(seed), crops=0.5)[0] for seed in range(40)]
    assert sum(one.shape != whole.shape for one in made) > 10
    assert sum(one.shape == whole.shape and not torch.equal(one, whole) for one in made) > 10


def test_edits_keep_their_size_and_range() -> None:
    for seed in range(20):
        out = edited(picture(3), picture(4), (144, 256), np.random.default_rng(seed), 1.0)
        assert out.shape == (3, 144, 256)
        assert float(out.min()) >= -1e-5
        assert float(out.max()) <= 1 + 1e-5


def test_stored_frames_cannot_be_changed_into_others() -> None:
    with pytest.raises(InputError, match="variety"):
        HeadRecipe(frames="f", codec="c", steps=1, stored=True, variety=True)
