"""Training a codec: the figures it always gave, through kills, and from a finished model."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.runner import vsearch
from tests.training.packs import write_pack
from vsearch.errors import InputError
from vsearch.models.layers import CodecShape
from vsearch.models.temporal import TemporalCodec
from vsearch.models.weights import ModelFiles, write_model
from vsearch.training import train_codec
from vsearch.training.checkpoints import saved_step
from vsearch.training.codec import CodecRecipe, train
from vsearch.training.finetune import read_gain

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "tests" / "data" / "temporal-1" / "model"
SHIPPED_HEAD = ROOT / "vsearch" / "models" / "shipped" / "head"


@pytest.fixture(autouse=True)
def _no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training here."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"))


def write_recipe(folder: Path, pack: Path, **values: object) -> Path:
    settings = {"steps": 9, "batch": 1, "side": 64, "threads": 1, "checkpoint_every": 2, "validate_every": 5, **values}
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"frames": str(pack), **settings}.items()]
    path = folder / "recipe.toml"
    path.write_text("[codec]\n" + "\n".join(lines) + "\n")
    return path


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def start(recipe: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vsearch", "train", "codec", "--config", str(recipe), "-o", str(output), *options]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def kill_when(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    """SIGKILL, as soon as something has happened."""
    while process.poll() is None and not happened():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def reached(output: Path, step: int) -> bool:
    return (output / "checkpoint.safetensors").exists() and saved_step(output) >= step


def test_three_steps_give_what_they_always_gave(pack: Path, tmp_path: Path) -> None:
    recipe = CodecRecipe(
        frames=str(pack), steps=3, batch=2, side=64, warmup_steps=2, checkpoint_every=2, validate_every=2, threads=1
    )
    train(recipe, CodecShape(), tmp_path, resume=False)
    measured = [[float(row[name]) for name in ("loss", "intra_bpp", "inter_bpp", "psnr_db")] for row in rows(tmp_path)]
    recorded = [[0.668137, 0.521612, 0.444432, 26.8791], [0.671849, 0.521193, 0.44418, 26.7916]]
    assert np.allclose(measured, recorded, rtol=1e-3)


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_weights(pack: Path, tmp_path: Path) -> None:
    recipe, output = write_recipe(tmp_path, pack), tmp_path / "killed"
    kill_when(start(recipe, output), lambda: reached(output, 2))
    kill_when(start(recipe, output, "--resume"), lambda: "validation,5," in (output / "log.csv").read_text())
    kill_when(start(recipe, output, "--resume"), lambda: reached(output, 6))
    assert start(recipe, output, "--resume").wait() == 0
    whole = ModelFiles.read(train_codec(recipe, tmp_path / "whole"))
    assert ModelFiles.read(output / "model").model_id == whole.model_id
    assert [row["step"] for row in rows(output)] == ["5", "9"]
    again = ModelFiles.read(train_codec(recipe, output, resume=True))
    assert again.model_id == whole.model_id


def test_a_codec_is_trained_further_and_its_gain_is_told(pack: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, pack, steps=2, learning_rate=1e-5, warmup_steps=1)
    outcome = vsearch("train", "codec", "--config", recipe, "-o", tmp_path / "own", "--from", FIRST)
    assert outcome.status == 0, outcome.err
    assert [line.split()[0] for line in outcome.out.splitlines()] == [
        "held-out", "loss", "intra_bpp", "inter_bpp", "psnr_db"
    ]  # fmt: skip
    gain = read_gain(tmp_path / "own")
    assert gain.began_with == ModelFiles.read(FIRST).model_id
    assert gain.before.keys() == gain.after.keys() == {"loss", "intra_bpp", "inter_bpp", "psnr_db"}
    assert gain.after["psnr_db"] == pytest.approx(gain.before["psnr_db"], abs=0.5)
    assert gain.after != gain.before
    card = json.loads((tmp_path / "own" / "model" / "model.json").read_text())
    assert card["training"]["began_with"] == gain.began_with
    assert TemporalCodec(ModelFiles.read(tmp_path / "own" / "model")).model_id != gain.began_with


def test_a_model_that_does_not_fit_is_an_error_that_names_the_weights(pack: Path, tmp_path: Path) -> None:
    files = ModelFiles.read(FIRST)
    tensors = files.numpy()
    tensors["encoder.surplus"] = tensors.pop("encoder.linear.bias")
    other = tmp_path / "other"
    write_model(other, kind="codec", family="temporal", decode=files.decode, training={}, tensors=tensors)
    with pytest.raises(InputError, match=r"missing encoder\.linear\.bias; unexpected encoder\.surplus"):
        train_codec(write_recipe(tmp_path, pack), tmp_path / "run", start=other)
    head = SHIPPED_HEAD
    with pytest.raises(InputError, match="a head of family gem"):
        train_codec(write_recipe(tmp_path, pack), tmp_path / "run", start=head)
    with pytest.raises(InputError, match="not a model folder"):
        train_codec(write_recipe(tmp_path, pack), tmp_path / "run", start=tmp_path)
