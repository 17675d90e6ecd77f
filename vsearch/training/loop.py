"""The loop that all trainings share: learning rate, precision, average, log, validation, checkpoints, resumption.

A trainer builds its network and an `Objective`, and calls `run_loop`:

    device = prepare(recipe)
    network = placed(MyNetwork(...), device)
    objective = Objective(columns=("loss", "psnr_db"), batch=..., validation=..., rate=...)
    averaged = run_loop(network, objective, recipe, output, resume=resume)

Which batch a step sees must depend on the step alone, so that a resumed run sees what the run would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from vsearch.errors import InputError
from vsearch.models.weights import torch_device
from vsearch.training.checkpoints import Average, RunLog, RunState, load_state, save_state

Network = TypeVar("Network", bound=nn.Module)
Values = Sequence[Tensor | float]

PRECISIONS = ("float32", "bfloat16")


class LoopRecipe(Protocol):
    """What the loop needs of a recipe. `device`: cpu, cuda or auto; `precision`: of the training steps, float32 or
    bfloat16 (autocast: weights, gradients and everything after the networks stay float32).
    """

    @property
    def steps(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def threads(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def checkpoint_every(self) -> int: ...
    @property
    def validate_every(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Objective(Generic[Network]):
    """What a training lowers, and how it is judged.

    columns: names of the values that `batch` and `validation` give, the loss first. batch(network, step): of one
    training batch; the first value is differentiated. validation(network): of held-out sources, called without
    gradients. rate(step): the learning rate.
    """

    columns: tuple[str, ...]
    batch: Callable[[Network, int], Values]
    validation: Callable[[Network], Values]
    rate: Callable[[int], float]


def prepare(recipe: LoopRecipe) -> torch.device:
    """Set threads and seed; returns the device. To be called before a network is made. Raises InputError for an unknown
    precision, UnavailableError for a device that is not here.
    """
    if recipe.precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, not {recipe.precision!r}")
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    return torch_device(recipe.device)


def scheduled_rate(step: int, *, peak: float, steps: int, warmup_steps: int, floor: float, fall_from: int = 0) -> float:
    """Linear warm-up to `peak`, below half a cosine that falls from step `fall_from` to `floor` * peak at `steps`."""
    done = max(0, step - fall_from) / max(1, steps - fall_from)
    fall = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return peak * min((step + 1) / max(1, warmup_steps), fall)


def float_outputs(*modules: nn.Module) -> None:
    """Let modules give float32 under autocast too: probabilities and losses are computed from them. The modules must
    give tensors or tuples of tensors.
    """

    def to_float(module: nn.Module, inputs: Any, output: Any) -> Any:
        return tuple(value.float() for value in output) if isinstance(output, tuple) else output.float()

    for module in modules:
        module.register_forward_hook(to_float)


def run_loop(
    network: Network,
    objective: Objective[Network],
    recipe: LoopRecipe,
    output: Path,
    *,
    resume: bool,
    log_every: int = 50,
    weight_decay: float = 0.0,
    average_decay: float = 0.998,
) -> Network:
    """Train `network` up to the recipe's last step; returns the average of its weights, as a network.

    Checkpoint, `log.csv`, `events` and `curve.png` go to `output`. With `resume` the run goes on from the checkpoint
    there; on the same machine and threads it ends with the very weights of a run that was never stopped.
    """
    average = Average(network, decay=average_decay)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay
    )
    state = load_state(output, network, average, optimiser) if resume else RunState(step=0)
    columns = ("step", "seconds", *objective.columns, "rate")
    with RunLog(output, resume=resume, columns=columns) as log:
        for step in range(state.step, recipe.steps):
            rate = objective.rate(step)
            values = _update(network, objective, optimiser, recipe, step=step, rate=rate)
            average.update(step)
            done = step + 1
            if done % log_every == 0:
                log.train(done, *values, rate)
            if done % recipe.validate_every == 0 or done == recipe.steps:
                log.validate(done, *validated(average.network, objective), rate)
            if done % recipe.checkpoint_every == 0 or done == recipe.steps:
                save_state(output, network, average, optimiser, RunState(step=done))
    return average.network


def _update(
    network: Network,
    objective: Objective[Network],
    optimiser: torch.optim.Optimizer,
    recipe: LoopRecipe,
    *,
    step: int,
    rate: float,
) -> Values:
    """One step of the optimiser; the values of its batch."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    kind = next(network.parameters()).device.type
    with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        values = objective.batch(network, step)
    loss = values[0]
    if not isinstance(loss, Tensor):
        raise TypeError("the first value of a batch is its loss, a tensor")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return values


@torch.no_grad()
def validated(network: Network, objective: Objective[Network]) -> tuple[float, ...]:
    """The values of the objective's columns on held-out sources."""
    return tuple(float(value) for value in objective.validation(network))
