"""The loop that all trainings share: it stops and goes on without a trace, and tells what it does."""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vsearch.errors import InputError
from vsearch.training.checkpoints import RunLog, saved_step
from vsearch.training.events import read_events
from vsearch.training.loop import (
    Objective,
    Values,
    float_outputs,
    prepare,
    run_loop,
    scheduled_rate,
    validated,
)


@dataclass(frozen=True)
class Recipe:
    steps: int = 12
    seed: int = 3
    learning_rate: float = 1e-2
    threads: int = 1
    device: str = "cpu"
    precision: str = "float32"
    checkpoint_every: int = 3
    validate_every: int = 4


class StoppedError(Exception):
    """What stops a run in these tests."""


@pytest.fixture(autouse=True)
def _no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training here."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def small_network() -> nn.Sequential:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    float_outputs(network)
    return network


def objective(stop_at: int = -1, dtypes: list[torch.dtype] | None = None) -> Objective[nn.Sequential]:
    """Noise is drawn from torch's generator, as the codec's is."""

    def loss(network: nn.Sequential, seed: int, noise: Tensor | float) -> Values:
        pixels = torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(seed))
        output = network(pixels + noise)
        if dtypes is not None:
            dtypes.append(output.dtype)
        error = (output - pixels[:, :, 2:-2, 2:-2]).square().mean()
        return error, error.sqrt()

    def batch(network: nn.Sequential, step: int) -> Values:
        if step == stop_at:
            raise StoppedError
        return loss(network, step, 0.1 * torch.rand(2, 2, 8, 8))

    return Objective(
        columns=("loss", "root"),
        batch=batch,
        validation=lambda network: loss(network, 999, 0.0),
        rate=lambda step: 1e-2 / (1 + step),
    )


def run(output: Path, recipe: Recipe, *, resume: bool = False, stop_at: int = -1) -> nn.Sequential:
    network = started(recipe)
    return run_loop(network, objective(stop_at), recipe, output, resume=resume, log_every=1)


def started(recipe: Recipe) -> nn.Sequential:
    prepare(recipe)
    return small_network()


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("stops", [(4,), (3, 4, 11), (6, 9)])
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(tmp_path: Path, stops: tuple[int, ...]) -> None:
    whole = run(tmp_path / "whole", Recipe())
    for number, stop in enumerate(stops):
        with pytest.raises(StoppedError):
            run(tmp_path / "stopped", Recipe(), resume=number > 0, stop_at=stop)
    stopped = run(tmp_path / "stopped", Recipe(), resume=True)
    assert same_weights(whole, stopped)
    assert [(r["split"], r["step"], r["loss"]) for r in rows(tmp_path / "stopped")] == [
        (r["split"], r["step"], r["loss"]) for r in rows(tmp_path / "whole")
    ]


def test_a_finished_run_that_is_resumed_does_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, Recipe())
    before = rows(tmp_path)
    assert same_weights(first, run(tmp_path, Recipe(), resume=True, stop_at=0))
    assert rows(tmp_path) == before


def test_resuming_needs_a_whole_checkpoint_of_the_same_network(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        run(tmp_path, Recipe(), resume=True)
    run(tmp_path, Recipe(steps=1))
    with pytest.raises(InputError, match="another network"):
        run_loop(nn.Sequential(nn.Conv2d(2, 5, 3)), objective(), Recipe(), tmp_path, resume=True)
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        saved_step(tmp_path)


def test_the_log_counts_the_time_of_all_runs_and_drops_rows_that_were_cut_off(tmp_path: Path) -> None:
    run(tmp_path, Recipe(steps=3))
    path = tmp_path / "log.csv"
    head, *lines = path.read_text().splitlines()
    fields = lines[-1].split(",")
    fields[2] = "5000.0"
    later = ["validation,4,6000.0,1,1,0.01", "train,5,60"]
    path.write_text("\n".join([head, *lines[:-1], ",".join(fields), *later]))
    with RunLog(tmp_path, resume=True, columns=("step", "seconds", "loss", "root", "rate")) as log:
        log.train(4, 0.5, 0.7, 0.01)
    last = rows(tmp_path)[-1]
    assert (last["split"], last["step"]) == ("train", "4")
    assert 5000 <= float(last["seconds"]) < 5100
    assert [row["step"] for row in rows(tmp_path)].count("4") == 1


def test_the_log_of_another_kind_of_training_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    run(tmp_path, Recipe(steps=1))
    with pytest.raises(InputError, match="another kind of training"):
        RunLog(tmp_path, resume=True, columns=("step", "seconds", "accuracy"))


def test_the_curves_are_written_for_tensorboard_too(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        run(tmp_path, Recipe(), stop_at=8)
    run(tmp_path, Recipe(), resume=True)
    train = list(read_events(tmp_path / "events" / "train" / "events.out.tfevents.vsearch"))
    validation = list(read_events(tmp_path / "events" / "validation" / "events.out.tfevents.vsearch"))
    assert len(train) == 1 + 12
    assert len(validation) == 1 + 3
    assert b"brain.Event:2" in train[0]
    assert b"loss" in train[1]
    assert b"root" in validation[-1]


def test_without_matplotlib_a_run_ends_well_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, Recipe())
    assert [record.getMessage() for record in caplog.records if "curve.png" in record.getMessage()] == [
        "no curve.png: plots need matplotlib: pip install 'vsearch[train]'"
    ]
    assert saved_step(tmp_path) == 12


def test_the_curve_is_drawn_while_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # with matplotlib
    with pytest.raises(StoppedError):
        run(tmp_path, Recipe(), stop_at=5)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_bfloat16_is_for_the_networks_alone(tmp_path: Path) -> None:
    recipe = Recipe(precision="bfloat16")
    dtypes: list[torch.dtype] = []
    network = started(recipe)
    inner: list[torch.dtype] = []
    network[0].register_forward_hook(lambda module, inputs, output: inner.append(output.dtype))
    task = objective(dtypes=dtypes)
    averaged = run_loop(network, task, recipe, tmp_path, resume=False)
    assert set(dtypes) == {torch.float32}
    assert torch.bfloat16 in inner
    assert {parameter.dtype for parameter in averaged.parameters()} == {torch.float32}
    exact = run(tmp_path / "exact", Recipe())
    assert math.isclose(validated(averaged, task)[0], validated(exact, task)[0], rel_tol=0.05)


def test_an_unknown_precision_is_an_error() -> None:
    with pytest.raises(InputError, match="float16"):
        prepare(replace(Recipe(), precision="float16"))


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [
        scheduled_rate(step, peak=2.0, steps=100, warmup_steps=10, floor=0.01, fall_from=10) for step in range(101)
    ]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(2.0 * (0.01 + 0.99 / 2))
    assert rates[100] == pytest.approx(0.02)
    assert scheduled_rate(0, peak=1.0, steps=10, warmup_steps=0, floor=0.02) == 1.0
