"""The models that a library carries."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import videos
from tests.tiny_models import write_tiny_models
from vsearch.errors import LatentError
from vsearch.library import Library
from vsearch.models import shipped_head
from vsearch.models.shelf import ModelShelf
from vsearch.models.weights import ModelFiles, write_card


def test_a_model_that_was_measured_again_brings_its_figures_and_stays_the_same_model(tmp_path: Path) -> None:
    head = write_tiny_models(tmp_path / "models", calibrated=True)[1]
    shelf = ModelShelf(tmp_path / "shelf")
    first = shelf.add(head)
    measured = write_card(ModelFiles.read(head), search={**first.search, "floor": 0.25})
    assert shelf.files(first.model_id).search["floor"] == 0.6
    again = shelf.add(head)
    assert again.model_id == first.model_id == measured.model_id
    assert shelf.files(first.model_id).search == measured.search
    assert sorted(path.name for path in again.folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_a_library_takes_over_the_shipped_figures_when_it_indexes_again(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    videos.cuts_video(tmp_path / "videos" / "a.mp4", [(1, 6)], fps=3)
    with Library.open(tmp_path / "library", create=True) as library:
        library.index([tmp_path / "videos"])
    shipped = ModelFiles.read(shipped_head())
    place = tmp_path / "library" / "models" / shipped.model_id
    write_card(ModelFiles.read(place), search={"floor": 0.9})
    with Library.open(tmp_path / "library") as library:
        library.index([tmp_path / "videos"])
    assert json.loads((place / "model.json").read_text())["search"] == shipped.search


def test_figures_that_cannot_be_written_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    head = write_tiny_models(tmp_path / "models", calibrated=True)[1]
    shelf = ModelShelf(tmp_path / "shelf")
    place = shelf.add(head).folder
    write_card(ModelFiles.read(head), search={"floor": 0.25})
    (place / f".model.json.{os.getpid()}").mkdir()  # in the way of the new card, for root as well
    assert shelf.add(head).search["floor"] == 0.6
    assert "newer figures" in caplog.text


def test_a_model_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    head = write_tiny_models(tmp_path / "models")[1]
    shelf = ModelShelf(tmp_path / "shelf")
    model_id = shelf.add(head).model_id
    with (shelf.folder / model_id / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(LatentError, match="was changed"):
        shelf.add(head)
