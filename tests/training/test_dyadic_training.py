"""Training the second codec: from a first one to a model folder that encodes, and further from there."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.cli.runner import vsearch
from tests.models.small import SMALL
from tests.models.small_dyadic import small_dyadic, small_networks
from tests.training.packs import write_pack
from tests.videos import scene_frames
from vsearch.errors import InputError
from vsearch.models.dyadic import DyadicCodec, shape_of
from vsearch.models.dyadic_layers import LEVELS, DyadicNetworks
from vsearch.models.dyadic_reader import Layout
from vsearch.models.motion import PREDICTION_STEPS
from vsearch.models.weights import ModelFiles
from vsearch.training import train_codec, transform
from vsearch.training.codec import CodecRecipe
from vsearch.training.codec import train as train_first
from vsearch.training.data import PackedFrames
from vsearch.training.dyadic import (
    BLACK_MARGIN,
    FURTHER,
    HALVES,
    LEAST_STEPS,
    PredictionRecipe,
    level_weights,
    networks_state,
    place_black,
)
from vsearch.training.embedding import HeadRecipe
from vsearch.training.export import export_codec
from vsearch.training.finetune import read_gain
from vsearch.training.polish import Picture, decoder_loss, draw, polish_decoder, written
from vsearch.training.prediction import observe
from vsearch.training.transform import TransformRecipe, taken_over, train

COLUMNS = {"loss", "intra_bpp", "inter_bpp", "psnr_db"}
LAMBDAS = TransformRecipe(frames="", steps=0).lambdas


@pytest.fixture(autouse=True)
def _no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training here."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"), videos=4, photos=3)


@pytest.fixture(scope="module")
def first(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first codec with a tenth of the channels: hardly more than a block transform."""
    folder = tmp_path_factory.mktemp("first")
    recipe = CodecRecipe(frames=str(pack), steps=1, batch=1, side=64, threads=1)
    networks = train_first(recipe, SMALL, folder / "run", resume=False)
    return export_codec(networks, SMALL, folder / "model", training={}).folder


TIERS = "default = 21"  # of the trained codec, whose recipe says so


def write_recipe(folder: Path, pack: Path, first: Path | str, *, tiers: str = "", **values: object) -> Path:
    settings = {"frames": str(pack), "first": str(first), "steps": 3, "batch": 1, "side": 64, "threads": 1}
    settings |= {"new_channels": 6, "context_width": 8, "predicted": 8, "warmup_steps": 1, **values}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    rest = ["steps = [3, 2]", "learning_rates = [1e-3, 1e-3]", "polish_steps = 2", "batch = 2", "levels_a_video = 1"]
    rest.append(tiers)
    path = folder / "recipe.toml"
    path.write_text("\n".join(["[dyadic]", *lines, "[prediction]", *rest]) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(pack: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a whole training."""
    folder = tmp_path_factory.mktemp("second")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        recipe = write_recipe(folder, pack, first, tiers=TIERS)
        outcome = vsearch("train", "codec", "--config", recipe, "-o", folder / "run")
    assert outcome.status == 0, outcome.err
    return folder / "run"


def test_the_loss_falls_from_what_the_first_codec_gives(pack: Path, first: Path, tmp_path: Path) -> None:
    recipe = TransformRecipe(
        frames=str(pack),
        first=str(first),
        steps=40,
        new_channels=6,
        context_width=8,
        predicted=8,
        batch=2,
        side=64,
        learning_rate=2e-3,
        warmup_steps=5,
        average=0.9,
        precision="float32",
        threads=1,
        validate_every=8,
    )
    train(recipe, PackedFrames(pack), tmp_path, resume=False)
    with (tmp_path / "log.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file) if row["split"] == "validation"]
    assert losses[-1] < 0.95 * losses[0]


def test_a_trained_model_encodes_and_its_chunks_come_back(trained: Path, first: Path) -> None:
    codec = DyadicCodec.load(trained / "model")
    assert codec.shape.groups == (*SMALL.groups, 6)
    assert codec.tiers == {"low": 8, "default": 21, "high": 40}
    assert codec.shape.layout == Layout(coded_palettes=True, retouched=True)
    assert {"retouch.blocks", "retouch.scales"} <= ModelFiles.read(trained / "model").numpy().keys()
    frames = np.stack(list(scene_frames(3, 5, (64, 96))))
    for level in (0, 20, 48):
        latents = codec.encode(frames, level=level)
        assert np.array_equal(codec.unpack(codec.pack(latents)).values, latents.values)
    errors = [np.square(codec.decode(codec.encode(frames, level=v)).astype(float) - frames).mean() for v in (0, 48)]
    assert errors[1] < errors[0] < frames.astype(float).var()
    notes = json.loads((trained / "model" / "model.json").read_text())["training"]
    assert notes["began_with"] == ModelFiles.read(first).model_id
    assert notes["prediction"]["steps"] == [3, 2]
    assert "first" not in notes["recipe"]
    assert {path.name for path in trained.iterdir()} == {"transform", "model"}


def test_a_training_that_was_stopped_while_it_was_finished_ends_with_the_same_model(
    trained: Path, pack: Path, first: Path, tmp_path: Path
) -> None:
    finished = ModelFiles.read(trained / "model").model_id
    shutil.rmtree(trained / "model")
    train_codec(write_recipe(tmp_path, pack, first, tiers=TIERS), trained, resume=True)
    assert ModelFiles.read(trained / "model").model_id == finished


def test_a_second_codec_is_trained_further_and_its_gain_is_told(trained: Path, pack: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, pack, "", steps=2, learning_rate=1e-5)
    outcome = vsearch("train", "codec", "--config", recipe, "-o", tmp_path / "own", "--from", trained / "model")
    assert outcome.status == 0, outcome.err
    assert {line.split()[0] for line in outcome.out.splitlines()} == {"held-out", *COLUMNS}
    gain = read_gain(tmp_path / "own")
    assert gain.began_with == ModelFiles.read(trained / "model").model_id
    assert gain.before.keys() == gain.after.keys() == COLUMNS
    assert gain.after["psnr_db"] == pytest.approx(gain.before["psnr_db"], abs=0.5)
    assert gain.after != gain.before
    own = DyadicCodec.load(tmp_path / "own" / "model")
    assert own.model_id != gain.began_with
    assert own.tiers == {"low": 8, "default": 21, "high": 40}


FURTHER_RECIPE = TransformRecipe(frames="", steps=1)


def test_a_model_folder_gives_back_the_networks_that_it_was_made_of(tmp_path: Path) -> None:
    small_dyadic(tmp_path)
    files = ModelFiles.read(tmp_path)
    networks = small_networks()
    wanted, found = networks.state_dict(), networks_state(files)
    assert wanted.keys() == found.keys()
    placed = place_black(networks, networks.gains.up.at.exp(), networks.gains.down.at.exp())
    wanted |= {f"gains.{name}.at": gain.log() for name, gain in zip(("up", "down"), placed, strict=True)}
    wanted |= {name: value.half().float() for name, value in wanted.items() if name.startswith(HALVES)}
    assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in wanted.items())
    networks = taken_over(files, FURTHER_RECIPE)
    assert isinstance(networks.codec, DyadicNetworks)
    assert networks.codec.shape == shape_of(files.decode)
    assert not any(p.requires_grad for p in networks.codec.prediction.parameters())


def test_black_rounds_to_a_little_darker_than_black_at_every_level() -> None:
    networks = small_networks()
    with torch.no_grad():
        networks.encoder.linear.weight.zero_()
        networks.encoder.linear.weight[2] = 0.02  # brightness, black at about -7.7
        networks.encoder.branch[-1].weight.zero_()
    up = torch.linspace(0.3, 6.0, LEVELS)[:, None].expand(-1, SMALL.channels)
    placed_up, placed_down = place_black(networks, up, 1 / up)
    black = networks.encoder(torch.full((1, 3, 80, 80), -0.5))[0, 2, 2, 2].item()
    steps = -black * placed_up[:, 2]
    fine = -black * up[:, 2] >= LEAST_STEPS
    assert 30 < int(fine.sum()) < LEVELS
    assert float((steps.round() - steps - BLACK_MARGIN)[fine].abs().max()) < 1e-4
    assert float((placed_up * placed_down - 1).abs().max()) < 1e-5
    assert float((placed_up[:, 2] / up[:, 2] - 1).abs().max()) < 0.15
    others = [channel for channel in range(SMALL.channels) if channel != 2]
    assert torch.equal(placed_up[:, others], up[:, others])
    assert torch.equal(placed_up[~fine], up[~fine])


def test_polishing_brings_the_decoder_nearer_and_changes_no_byte(tmp_path: Path) -> None:
    codec, networks = small_dyadic(tmp_path), small_networks()
    frames = np.stack(list(scene_frames(2, 4, (64, 64))))
    pictures: list[list[Picture]] = written(codec, [(frames, 10), (frames, 40), (frames[:, :, :48], 20)])
    assert [len(alike) for alike in pictures] == [8, 4]
    for picture in pictures[0]:  # trained on just what a library's pictures are decoded from
        np.testing.assert_array_equal(picture.down, ModelFiles.read(tmp_path).numpy()["levels.down"][picture.level])
    fixed = {k: v.clone() for k, v in networks.state_dict().items() if not k.startswith("decoder.")}
    networks.requires_grad_(False)
    examples = draw(pictures, 8, np.random.default_rng(0))
    before = float(decoder_loss(networks, examples, LAMBDAS))
    list(polish_decoder(networks, pictures, LAMBDAS, steps=60, seed=1, precision="float32", learning_rate=3e-3))
    assert float(decoder_loss(networks, examples, LAMBDAS)) < 0.9 * before
    assert all(torch.equal(networks.state_dict()[name], value) for name, value in fixed.items())


def test_a_recipe_is_of_one_codec(pack: Path, first: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, pack, first)
    both = tmp_path / "both.toml"
    both.write_text(recipe.read_text() + "[codec]\n")
    neither = tmp_path / "neither.toml"
    neither.write_text("[pack]\n")
    for path, what in ((both, "it has both"), (neither, "it has neither")):
        outcome = vsearch("train", "codec", "--config", path, "-o", tmp_path / "run")
        assert outcome.status == 1
        assert what in outcome.err


def test_what_does_not_fit_together_is_an_error_before_anything_is_trained(
    pack: Path, first: Path, tmp_path: Path
) -> None:
    def failure(start: Path | None = None, **values: object) -> str:
        recipe = write_recipe(tmp_path, pack, **{"first": first, **values})
        with pytest.raises(InputError) as caught:
            train_codec(recipe, tmp_path / "run", start=start)
        assert not (tmp_path / "run").exists()
        return str(caught.value)

    assert "needs `first`" in failure(first="")
    assert "not a model folder" in failure(first=tmp_path)
    assert "needs 4 lambdas" in failure(lambdas=[0.001, 0.002])
    assert "needs 4 lambdas" in failure(lambdas=[0.0, 0.001, 0.002, 0.003])
    assert "needs 4 lambdas" in failure(lambdas=[0.001, 0.001, 0.002, 0.003])
    assert "widen is for a codec to begin with" in failure(widen=8)
    assert "between 0 and 1" in failure(structure=1.5)
    assert "predicted must be 1 to 15" in failure(predicted=16)
    assert "a codec of family temporal" in failure(start=first)
    growing = write_recipe(tmp_path, pack, first=first)
    text = growing.read_text().replace("polish_steps = 2", "polish_steps = 2\ndepths = [1, 1, 0]")
    growing.write_text(text)
    with pytest.raises(InputError, match="cannot get"):
        train_codec(growing, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="as many steps as learning_rates"):
        PredictionRecipe(steps=(1, 2))
    with pytest.raises(InputError, match="between two passes"):
        PredictionRecipe(steps=(1,), learning_rates=(1e-3,), polish_steps=10)
    with pytest.raises(InputError, match="need polish_steps"):
        PredictionRecipe(depths=(3, 2, 1))
    impossible: list[Any] = [(3, 2), (3, 2, -1), (40, 2, 1), (2.5, 1, 0)]
    for depths in impossible:
        with pytest.raises(InputError, match="three whole numbers from 0 to 32"):
            PredictionRecipe(depths=depths, polish_steps=10)


def test_the_recipes_that_come_along_are_read_and_fit_together() -> None:
    recipes = Path(transform.__file__).parent / "recipes"
    tables = {path.stem: tomllib.loads(path.read_text()) for path in recipes.glob("*.toml")}
    assert tables.keys() == {"base", "deep", "dyadic", "long", "own", "stored", "whole", "wide"}

    def values(name: str, table: str) -> dict[str, Any]:
        return {k: tuple(v) if isinstance(v, list) else v for k, v in tables[name][table].items()}

    finishing = {
        name: PredictionRecipe(**values(name, "prediction"))
        for name in ("dyadic", "own", "wide", "long", "whole", "deep")
    }
    assert finishing["own"] == FURTHER
    assert finishing["dyadic"].nearest_passes == 1 > finishing["wide"].nearest_passes
    pixels = {name: TransformRecipe(**values(name, "dyadic")) for name in finishing}
    assert pixels["dyadic"].first_lambda == tables["base"]["codec"]["rate_lambda"]
    assert pixels["own"].lambdas == pixels["wide"].lambdas == pixels["long"].lambdas
    heads = {name: HeadRecipe(**values(name, "embedding")) for name in ("base", "dyadic", "wide", "long", "stored")}
    assert heads["stored"].stored
    assert heads["stored"].codec == heads["long"].codec


WHOLE_RECIPE = (
    '[dyadic]\nframes = "{pack}"\nsteps = 1\nbatch = 2\nside = 64\nlearning_rate = 1e-12\n'
    "[prediction]\nsteps = [{steps}]\nlearning_rates = [2e-3, 1e-3]\nbatch = 8\n{more}\n"
)


@pytest.fixture(scope="module")
def whole(trained: Path, pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained codec with a prediction network in whole numbers."""
    folder = tmp_path_factory.mktemp("whole")
    config = folder / "whole.toml"
    config.write_text(WHOLE_RECIPE.format(pack=pack, steps="30, 10", more="width = 16\nvariety = 2"))
    return train_codec(config, folder / "run", start=trained / "model")


def test_a_prediction_network_in_whole_numbers_takes_the_place_of_one_in_float64(
    whole: Path, trained: Path, pack: Path, tmp_path: Path
) -> None:
    before, after = DyadicCodec.load(trained / "model"), DyadicCodec.load(whole)
    assert after.shape.whole
    assert after.shape.context_width == 16
    frames = np.stack(list(scene_frames(3, 5, (64, 96))))
    assert np.array_equal(before.nearest(frames).values, after.nearest(frames).values)  # the pixel networks stay
    latents = after.encode(frames)
    assert np.array_equal(after.unpack(after.pack(latents)).values, latents.values)
    again = tmp_path / "own.toml"
    again.write_text(WHOLE_RECIPE.format(pack=pack, steps="3, 2", more=""))
    assert DyadicCodec.load(train_codec(again, tmp_path / "own", start=whole)).shape == after.shape


def test_a_decoder_gets_deeper_and_a_prediction_network_wider_while_the_encoder_stays(
    whole: Path, pack: Path, tmp_path: Path
) -> None:
    config = tmp_path / "deep.toml"
    more = "width = 24\nvariety = 1\ndepths = [3, 2, 1]\npolish_steps = 3"
    config.write_text(WHOLE_RECIPE.format(pack=pack, steps="2, 2", more=more))
    before, after = DyadicCodec.load(whole), DyadicCodec.load(train_codec(config, tmp_path / "deep", start=whole))
    assert (after.shape.context_width, after.shape.decoder_depths) == (24, (3, 2, 1))
    frames = np.stack(list(scene_frames(3, 5, (64, 96))))
    latents = after.nearest(frames)
    assert np.array_equal(before.nearest(frames).values, latents.values)
    assert np.array_equal(after.unpack(after.pack(latents)).values, latents.values)
    shown = before.decode(before.nearest(frames)).astype(int), after.decode(latents).astype(int)
    assert 0 < np.abs(shown[0] - shown[1]).max() < 20  # three steps from a decoder that shows the same


def test_most_rates_are_the_usual_ones() -> None:
    recipe = TransformRecipe(frames="f", steps=1, batch=2000, usual=2.0)
    drawn = recipe.qualities(np.random.default_rng(1))
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() < 0.1
    assert 2.9 < drawn.max() <= 3
    assert 0.12 < (drawn > 2.0).mean() < 0.18
    even = TransformRecipe(frames="f", steps=1, batch=2000).qualities(np.random.default_rng(1))
    assert 0.3 < (even > 2.0).mean() < 0.37
    with pytest.raises(InputError, match="usual"):
        TransformRecipe(frames="f", steps=1, usual=4.0)


def test_a_codec_trained_further_is_judged_by_what_its_writer_sees_of_an_unmoved_frame(tmp_path: Path) -> None:
    codec = small_dyadic(tmp_path)
    frame = next(iter(scene_frames(2, 1, (64, 64))))
    seen = observe(codec, np.stack([frame, frame]), 48, free=False)
    assert seen.flags[1].min((1, 2)).tolist() == [1, 0, 0, 1]
    stand_in = taken_over(ModelFiles.read(tmp_path), FURTHER_RECIPE).stand_in
    values = torch.from_numpy(seen.values).float()
    weights = level_weights(48, 4).expand(2, -1)
    previous = torch.stack([torch.zeros_like(values[0]), values[0]])
    found = stand_in(values, previous, torch.tensor([0.0, 1.0])[:, None, None, None], weights)
    predicted = torch.from_numpy(seen.predicted).float() / PREDICTION_STEPS
    network = taken_over(ModelFiles.read(tmp_path), FURTHER_RECIPE).codec.prediction
    wanted = network(values, predicted, torch.from_numpy(seen.flags), weights)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, wanted, strict=True))
