"""Training: packed frames, the codec, the embedding head. `vsearch train` calls the three functions here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch.errors import InputError

if TYPE_CHECKING:
    from vsearch.models.weights import ModelFiles
    from vsearch.progress import Progress
    from vsearch.training.data import PackReport
    from vsearch.training.dyadic import PredictionRecipe
    from vsearch.training.embedding import HeadRecipe
    from vsearch.training.transform import TransformRecipe


def pack(config: Path, output: Path, progress: Progress | None = None) -> PackReport:
    """Decode the videos and photographs named in `config` ([pack] table) into a packed folder of coded frames. Raises
    InputError, and UnavailableError when scenes are to be drawn that cannot be here.
    """
    from vsearch.training.pack import PackRecipe, pack_sources

    return pack_sources(_recipe(config, "pack", PackRecipe), output, progress)


def train_codec(
    config: Path, output: Path, resume: bool = False, start: Path | None = None, progress: Progress | None = None
) -> Path:
    """Train a codec by the recipe `config`; returns the folder of the finished model, `output`/model.

    A [codec] table makes the first codec, a [dyadic] table (and perhaps a [prediction] table) the second. start: the
    folder of such a codec to begin with; what it gained is then written to `output`/gain.json (see
    `finetune.read_gain`). `progress` follows the unpacking of the frames. Raises InputError when it is no such codec.
    """
    trainers = {"codec": _train_first, "dyadic": _train_second}
    found = trainers.keys() & _tables(config).keys()
    if len(found) != 1:
        what = "both" if found else "neither"
        raise InputError(
            f"{config}: needs either a [codec] table, for the first codec, or a [dyadic] table, for the second; "
            f"it has {what}"
        )
    return trainers[found.pop()](config, output, resume, start, progress)


def _train_first(config: Path, output: Path, resume: bool, start: Path | None, progress: Progress | None) -> Path:
    from vsearch.models.layers import CodecShape
    from vsearch.models.temporal import shape_of
    from vsearch.training.codec import CodecRecipe, train
    from vsearch.training.export import export_codec, training_notes
    from vsearch.training.finetune import read_start

    recipe = _recipe(config, "codec", CodecRecipe)
    files = read_start(start, kind="codec", family="temporal") if start else None
    shape = shape_of(files.decode) if files else CodecShape()
    networks = train(recipe, shape, output, resume=resume, start=files, progress=progress)
    notes = training_notes(recipe, output, start=files)
    export_codec(networks, networks.shape, output / "model", training=notes)
    return output / "model"


def _train_second(config: Path, output: Path, resume: bool, start: Path | None, progress: Progress | None) -> Path:
    """The pixel networks in `output`/transform, then all that follows from them, which is done at one go."""
    import shutil
    from dataclasses import asdict

    from vsearch.models.dyadic import shape_of
    from vsearch.models.dyadic_layers import DyadicNetworks, DyadicShape
    from vsearch.models.weights import torch_device
    from vsearch.training.data import PackedFrames
    from vsearch.training.dyadic import FURTHER, PredictionRecipe, finish, grown, known_costs, start_scales
    from vsearch.training.export import training_notes
    from vsearch.training.finetune import GAIN, read_start
    from vsearch.training.transform import TransformRecipe, lambdas_of, read_first, train

    recipe = _recipe(config, "dyadic", TransformRecipe)
    further = FURTHER if start else PredictionRecipe()
    rest = _recipe(config, "prediction", PredictionRecipe) if "prediction" in _tables(config) else further
    files = read_start(start, kind="codec", family="dyadic") if start else None
    if files:
        recipe, rest = _as_it_was(files, recipe, rest, _tables(config))
    elif recipe.widen:
        raise InputError("[dyadic] widen is for a codec to begin with (--from)")
    shape = shape_of(files.decode) if files else DyadicShape()
    grown(DyadicNetworks(shape), rest)  # refuses what cannot be before anything is trained
    torch_device(rest.device)
    began_with = files or read_first(recipe)
    packed = PackedFrames(Path(recipe.frames), progress)
    pixel_run, unfinished = output / "transform", output / "unfinished"
    networks = train(recipe, packed, pixel_run, resume=resume, start=files).cpu()
    if files:
        shutil.copyfile(pixel_run / GAIN, output / GAIN)
    else:
        start_scales(networks)
    notes = training_notes(recipe, pixel_run, start=began_with) | {"prediction": asdict(rest)}
    costs = None
    if files and lambdas_of(files) == recipe.lambdas and not recipe.widen:
        costs = known_costs(files, shape.anchors)
    finish(
        networks,
        packed,
        recipe.lambdas,
        rest,
        unfinished,
        training=notes,
        costs=costs,
        precision=recipe.precision,
        structure=recipe.structure,
        progress=progress,
    ).copy_to(output / "model")
    shutil.rmtree(unfinished)
    return output / "model"


def _as_it_was(
    files: ModelFiles, recipe: TransformRecipe, rest: PredictionRecipe, tables: dict[str, Any]
) -> tuple[TransformRecipe, PredictionRecipe]:
    """Rates and tiers of the codec to begin with, where a recipe does not say others."""
    from dataclasses import replace

    from vsearch.training.transform import lambdas_of

    before = lambdas_of(files)
    if before and "lambdas" not in tables["dyadic"]:
        recipe = replace(recipe, lambdas=before)
    tiers, named = dict(files.search.get("tiers", {})), tables.get("prediction", {})
    if before == recipe.lambdas:  # else its levels mean other rates now
        kept = {name: tiers[name] for name in ("low", "default", "high") if name in tiers and name not in named}
        rest = replace(rest, **kept)
    return recipe, rest


def train_embedding(config: Path, output: Path, resume: bool = False, progress: Progress | None = None) -> Path:
    """Train an embedding head by the recipe `config` ([embedding] table); returns the folder of the finished model."""
    from vsearch.training.embedding import train
    from vsearch.training.export import export_head, training_notes

    recipe = head_recipe(config)
    network, shape = train(recipe, output, resume=resume, progress=progress)
    export_head(network, shape, output / "model", recipe=recipe, training=training_notes(recipe, output))
    return output / "model"


def head_recipe(config: Path) -> HeadRecipe:
    """The [embedding] table of a recipe. Raises InputError."""
    from vsearch.training.embedding import HeadRecipe

    recipe: HeadRecipe = _recipe(config, "embedding", HeadRecipe)
    return recipe


def _tables(config: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises InputError."""
    import tomllib

    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{config}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{config}: not valid TOML ({error})") from error


def _recipe(config: Path, table: str, kind: type[Any]) -> Any:
    """The recipe in one table of a TOML file. Paths in it count from where the program was started; $NAME is
    expanded. Raises InputError.
    """
    import dataclasses
    import os
    import typing

    tables = _tables(config)
    if table not in tables:
        raise InputError(f"{config}: has no [{table}] table")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in tables[table].items()}
    known = {field.name for field in dataclasses.fields(kind)}
    for name in sorted(set(values) - known):
        raise InputError(f"{config}: [{table}] does not know {name!r}; it knows {', '.join(sorted(known))}")
    types = typing.get_type_hints(kind)
    for name, value in values.items():
        if types[name] is int and type(value) is not int:  # a bool is none either
            raise InputError(f"{config}: [{table}] {name} is a whole number, not {value!r}")
    for name in ("frames", "codec", "start", "first", "corpus"):
        if values.get(name):
            values[name] = str(Path(os.path.expandvars(values[name])).expanduser())
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{config}: [{table}] is incomplete ({error})") from error
