"""State of a training run: resumable at any moment, logged to CSV and TensorBoard events, plotted."""

from __future__ import annotations

import csv
import logging
import os
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TextIO, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vsearch.errors import InputError, UnavailableError
from vsearch.training.events import EventFile

log = logging.getLogger("vsearch")

CHECKPOINT = "checkpoint.safetensors"
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands. Batches are seeded by (seed, step): with the generators' states the step says all."""

    step: int


class Average(Generic[Network]):
    """Exponential moving average of a network's weights, with a short memory at the start of a run."""

    def __init__(self, network: Network, decay: float = 0.998) -> None:
        self._live = network
        self.network: Network = deepcopy(network)
        self.network.requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        for mean, weight in zip(self.network.parameters(), self._live.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)


def _tensors(network: nn.Module, average: Average[Any], optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.network.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{k}": torch.as_tensor(v) for k, v in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    device = _device_of(network)
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    return {k: v.detach().clone().contiguous() for k, v in tensors.items()}


def _device_of(network: nn.Module) -> torch.device:
    return next(iter(network.parameters())).device


def save_state(
    folder: Path, network: nn.Module, average: Average[Any], optimiser: torch.optim.Optimizer, state: RunState
) -> None:
    """Write `checkpoint.safetensors` atomically: whatever stops the machine leaves the old one or the new one.

    It holds the states of torch's random generators as well, so that a resumed run goes on as if never stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "checkpoint.tmp"
    save_file(_tensors(network, average, optimiser), temporary, metadata={"step": str(state.step)})
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(folder / CHECKPOINT)


def saved_step(folder: Path) -> int:
    """The step of the checkpoint in `folder`. Raises InputError when there is none, or it is damaged."""
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InputError(f"{folder}: no checkpoint to go on from; run without --resume to start")
    try:
        with safe_open(path, "pt") as file:
            return int((file.metadata() or {})["step"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a checkpoint, or damaged; run without --resume to start again") from error


def load_state(folder: Path, network: nn.Module, average: Average[Any], optimiser: torch.optim.Optimizer) -> RunState:
    """Restore everything that `save_state` wrote. Raises InputError when there is no checkpoint, or one of another
    network.
    """
    step = saved_step(folder)
    tensors = load_file(folder / CHECKPOINT)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        network.load_state_dict(part("network."))
        average.network.load_state_dict(part("average."))
    except RuntimeError as error:
        raise InputError(f"{folder / CHECKPOINT}: of another network than the recipe's ({error})") from error
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimiser.").items():
        number, field = name.split(".", 1)
        state.setdefault(int(number), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    _restore_random(part("random."), _device_of(network))
    return RunState(step=step)


def _restore_random(states: dict[str, Tensor], device: torch.device) -> None:
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


class RunLog:
    """What a run tells: `log.csv` (a row every so often; `split` says train or validation), the same as TensorBoard
    events under `events`, and `curve.png`, drawn at every validation.

    columns: "step", "seconds", then the names of the values. When resuming, rows after the checkpoint are dropped,
    since those steps are done again, and `seconds` goes on from the last row that stays: it counts the time of all
    runs. Raises InputError when the log is that of another kind of training.
    """

    def __init__(self, folder: Path, *, resume: bool, columns: tuple[str, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.csv"
        self._names = columns[2:]
        rows = _rows_until(self._path, saved_step(folder), columns) if resume and self._path.is_file() else []
        self._begin = time.time() - (float(rows[-1][2]) if rows else 0.0)
        self._file = _rewritten(self._path, [["split", *columns], *rows])
        self._writer = csv.writer(self._file)
        self._events = {split: EventFile(folder / "events" / split) for split in ("train", "validation")}
        for split, step, seconds, *values in rows:
            self._event(split, int(step), float(seconds), [float(value) for value in values])
        self._can_plot = True

    def _event(self, split: str, step: int, seconds: float, values: Sequence[float]) -> None:
        named = dict(zip(self._names, values, strict=True))
        self._events[split].add(step, self._begin + seconds, named)

    def _row(self, split: str, step: int, values: tuple[Tensor | float, ...]) -> None:
        numbers = [float(v.detach() if isinstance(v, Tensor) else v) for v in values]
        seconds = time.time() - self._begin
        self._writer.writerow((split, step, f"{seconds:.1f}", *(f"{number:.6g}" for number in numbers)))
        self._file.flush()
        self._event(split, step, seconds, numbers)

    def train(self, step: int, *values: Tensor | float) -> None:
        self._row("train", step, values)

    def validate(self, step: int, *values: Tensor | float) -> None:
        """Log a validation and draw the curve."""
        self._row("validation", step, values)
        self._plot()

    def _plot(self) -> None:
        """Draw the curve; without matplotlib warn, once, and go on: the figures are in the other logs."""
        if not self._can_plot:
            return
        from vsearch.training.plots import plot_log

        try:
            plot_log(self._path, self._path.with_name("curve.png"))
        except UnavailableError as error:
            self._can_plot = False
            log.warning("no curve.png: %s", error)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        for events in self._events.values():
            events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _rows_until(path: Path, step: int, columns: tuple[str, ...]) -> list[list[str]]:
    """The rows of a log up to a step, without its head, and without a last line that was cut off."""
    with path.open(newline="") as file:
        lines = [line for line in file if line.endswith("\n")]
    head, *rows = csv.reader(lines) if lines else [["split", *columns]]
    if head != ["split", *columns]:
        raise InputError(f"{path}: the log of another kind of training; choose another output folder")
    return [row for row in rows if int(row[1]) <= step]


def _rewritten(path: Path, rows: list[list[str]]) -> TextIO:
    """The file with these rows in the place of what it held, atomically, open to append more."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    temporary.replace(path)
    return path.open("a", newline="")
