"""Training that begins with a finished model, and what it gains on the sources that it is trained for.

A trainer that can begin with a model calls `load_weights` instead of initialising its network, and `fine_tune`
instead of `run_loop`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn

from vsearch.errors import InputError, LatentError
from vsearch.models.weights import ModelFiles
from vsearch.training.loop import LoopRecipe, Network, Objective, run_loop, validated

GAIN = "gain.json"


def read_start(folder: Path, *, kind: str, family: str) -> ModelFiles:
    """The model to begin with. Raises InputError when the folder holds none, or one of another kind or family."""
    try:
        files = ModelFiles.read(folder)
    except LatentError as error:
        raise InputError(str(error)) from error
    if (files.kind, files.family) != (kind, family):
        raise InputError(f"{folder}: a {files.kind} of family {files.family}; the recipe trains a {kind} of {family}")
    return files


def load_weights(network: nn.Module, model: ModelFiles, *, beside: tuple[str, ...] = ()) -> None:
    """Give `network` the weights of a model, by their names. `beside`: prefixes of what else such a model holds.

    Raises InputError that names the weights that are missing, too many, or of another shape.
    """
    found = {name: value for name, value in model.torch().items() if not name.startswith(beside)}
    load_found(network, found, model.folder)


def load_found(network: nn.Module, found: Mapping[str, Tensor], folder: Path) -> None:
    """Give `network` the weights that were found in a model's folder. Raises InputError like `load_weights`."""
    wanted = network.state_dict()
    problems = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("missing", sorted(wanted.keys() - found.keys())),
            ("unexpected", sorted(found.keys() - wanted.keys())),
            ("of another shape", _misshapen(wanted, found)),
        )
        if names
    ]
    if problems:
        raise InputError(f"{folder}: its weights do not fit the network of the recipe: {'; '.join(problems)}")
    network.load_state_dict(found)


def _misshapen(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name} {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name].shape != wanted[name].shape
    ]


@dataclass(frozen=True, slots=True)
class Gain:
    """Validation of a model before and after it was trained further: values by name, on the same held-out sources."""

    began_with: str
    before: Mapping[str, float]
    after: Mapping[str, float]

    def table(self) -> str:
        """Lines for people: one a value."""
        width = max(map(len, self.before))
        lines = [f"{'held-out sources':{max(width, 16)}}  {'before':>9}  {'after':>9}  {'change':>9}"]
        for name, before in self.before.items():
            after = self.after[name]
            lines.append(f"{name:{max(width, 16)}}  {before:9.4f}  {after:9.4f}  {after - before:+9.4f}")
        return "\n".join(lines)


def fine_tune(
    network: Network,
    objective: Objective[Network],
    recipe: LoopRecipe,
    output: Path,
    *,
    resume: bool,
    start: ModelFiles,
    average_decay: float = 0.998,
) -> Network:
    """`run_loop` of a network that has the weights of `start`; `gain.json` in `output` then says what it brought."""
    before = validated(network, objective)
    trained = run_loop(network, objective, recipe, output, resume=resume, average_decay=average_decay)
    after = validated(trained, objective)
    names = objective.columns
    gain = Gain(start.model_id, dict(zip(names, before, strict=True)), dict(zip(names, after, strict=True)))
    (output / GAIN).write_text(json.dumps({"format": 1, **asdict(gain)}, indent=2) + "\n", encoding="utf-8")
    return trained


def read_gain(output: Path) -> Gain:
    """What `fine_tune` wrote into the folder of a run."""
    row = json.loads((output / GAIN).read_text(encoding="utf-8"))
    return Gain(row["began_with"], row["before"], row["after"])
