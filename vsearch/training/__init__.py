"""Training: packed frames, the codec, the embedding head. `vsearch train` calls the three functions here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch.errors import InputError

if TYPE_CHECKING:
    from vsearch.progress import Progress
    from vsearch.training.data import PackReport


def pack(config: Path, output: Path, progress: Progress | None = None) -> PackReport:
    """Decode the videos and photographs named in `config` ([pack] table) into a packed folder of coded frames."""
    from vsearch.training.pack import PackRecipe, pack_sources

    return pack_sources(_recipe(config, "pack", PackRecipe), output, progress)


def train_codec(
    config: Path, output: Path, resume: bool = False, start: Path | None = None, progress: Progress | None = None
) -> Path:
    """Train a codec by the recipe `config` ([codec] table); returns the folder of the finished model, `output`/model.

    start: the folder of a codec to begin with; what it gained is then written to `output`/gain.json (see
    `finetune.read_gain`). `progress` follows the unpacking of the frames. Raises InputError when it is no such codec.
    """
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


def train_embedding(config: Path, output: Path, resume: bool = False, progress: Progress | None = None) -> Path:
    """Train an embedding head by the recipe `config` ([embedding] table); returns the folder of the finished model."""
    from vsearch.training.embedding import HeadRecipe, train
    from vsearch.training.export import export_head, training_notes

    recipe = _recipe(config, "embedding", HeadRecipe)
    network, shape = train(recipe, output, resume=resume, progress=progress)
    export_head(network, shape, output / "model", recipe=recipe, training=training_notes(recipe, output))
    return output / "model"


def _recipe(config: Path, table: str, kind: type[Any]) -> Any:
    """The recipe in one table of a TOML file. Paths in it count from where the program was started; $NAME is
    expanded. Raises InputError.
    """
    import dataclasses
    import os
    import tomllib

    try:
        values = tomllib.loads(config.read_text(encoding="utf-8"))[table]
    except OSError as error:
        raise InputError(f"{config}: cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise InputError(f"{config}: has no [{table}] table") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{config}: not valid TOML ({error})") from error
    known = {field.name for field in dataclasses.fields(kind)}
    for name in sorted(set(values) - known):
        raise InputError(f"{config}: [{table}] does not know {name!r}; it knows {', '.join(sorted(known))}")
    for name in ("frames", "codec", "start", "first", "corpus"):
        if name in values:
            values[name] = str(Path(os.path.expandvars(values[name])).expanduser())
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{config}: [{table}] is incomplete ({error})") from error
