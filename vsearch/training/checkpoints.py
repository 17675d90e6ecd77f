"""State of a training run: resumable at any moment, logged to CSV, plotted."""

from __future__ import annotations

import csv
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vsearch.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands. Batches are seeded by (seed, step), so the step is all that there is to know."""

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
    return {k: v.detach().clone().contiguous() for k, v in tensors.items()}


def save_state(
    folder: Path, network: nn.Module, average: Average[Any], optimiser: torch.optim.Optimizer, state: RunState
) -> None:
    """Write `checkpoint.safetensors` atomically: a kill at any moment leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "checkpoint.tmp"
    save_file(_tensors(network, average, optimiser), temporary, metadata={"step": str(state.step)})
    temporary.replace(folder / "checkpoint.safetensors")


def load_state(folder: Path, network: nn.Module, average: Average[Any], optimiser: torch.optim.Optimizer) -> RunState:
    """Restore everything that `save_state` wrote. Raises InputError when there is no checkpoint."""
    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        raise InputError(f"{folder}: no checkpoint to go on from; run without --resume to start")
    tensors = load_file(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

    network.load_state_dict(part("network."))
    average.network.load_state_dict(part("average."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimiser.").items():
        number, field = name.split(".", 1)
        state.setdefault(int(number), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    step = int(next(iter(state.values()))["step"].item()) if state else 0
    return RunState(step=step)


class RunLog:
    """`log.csv` (a row every so often; `split` says train or validation) and `curve.png` of one run."""

    def __init__(self, folder: Path, *, resume: bool, columns: tuple[str, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.csv"
        self._columns = columns
        fresh = not (resume and self._path.is_file())
        self._file = self._path.open("w" if fresh else "a", newline="")
        self._writer = csv.writer(self._file)
        if fresh:
            self._writer.writerow(("split", *columns))
        self._begin = time.monotonic()

    def _row(self, split: str, step: int, values: tuple[Tensor | float, ...]) -> None:
        row = [f"{float(v.detach() if isinstance(v, Tensor) else v):.6g}" for v in values]
        self._writer.writerow((split, step, f"{time.monotonic() - self._begin:.1f}", *row))
        self._file.flush()

    def train(self, step: int, *values: Tensor | float) -> None:
        self._row("train", step, values)

    def validate(self, step: int, *values: Tensor | float) -> None:
        self._row("validation", step, values)

    def close(self) -> None:
        """Close the file and plot it."""
        self._file.close()
        from vsearch.training.plots import plot_log

        plot_log(self._path, self._path.with_name("curve.png"))
