"""`vsearch train`: new weights from one's own videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsearch.cli.context import progress_shown
from vsearch.text import counted

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train a codec or a head on your own videos.",
)

ConfigOption = Annotated[Path, typer.Option("--config", metavar="FILE", help="The recipe, a TOML file.")]
OutputOption = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Where weights, checkpoint, logs and curves go.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the output folder.")]

FromOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="DIR", help="Begin with the weights of this model, and show what it gained."),
]


@app.command()
def codec(
    config: ConfigOption,
    output: OutputOption = Path("runs/codec"),
    resume: ResumeOption = False,
    start: FromOption = None,
) -> None:
    """Train a latent codec.

    \b
      vsearch train codec --config codec.toml -o runs/codec
      vsearch train codec --config codec.toml -o runs/codec --resume
      vsearch train codec --config own.toml -o runs/own --from runs/codec/model
    """
    from vsearch.training import train_codec

    with progress_shown() as progress:
        train_codec(config, output, resume, start, progress)
    if start:
        from vsearch.training.finetune import read_gain

        typer.echo(read_gain(output).table())


@app.command()
def embedding(
    config: ConfigOption, output: OutputOption = Path("runs/embedding"), resume: ResumeOption = False
) -> None:
    """Train an embedding head, and fit what turns its similarities into probabilities.

    \b
      vsearch train embedding --config head.toml -o runs/head
    """
    from vsearch.calibrating import calibrate
    from vsearch.training import head_recipe, train_embedding

    recipe = head_recipe(config)
    with progress_shown() as progress:
        head = train_embedding(config, output, resume, progress)
        calibrate(head, codec=Path(recipe.codec), frames=Path(recipe.frames), progress=progress)


@app.command()
def calibration(
    config: ConfigOption,
    head: Annotated[Path, typer.Option(metavar="DIR", help="The trained head, a model folder.")],
    queries: Annotated[int, typer.Option(min=20, help="How many queries are made up for it.")] = 600,
    same: Annotated[
        list[str] | None,
        typer.Option(metavar="A=B", help="Two packed files that show the same material, whatever their scenes say."),
    ] = None,
) -> None:
    """Fit a head's probabilities again, with edited excerpts of the videos that its training held out.

    \b
      vsearch train calibration --config head.toml --head runs/head/model
    """
    pairs = [(a, b) for a, equal, b in (one.partition("=") for one in same or []) if a and equal and b]
    if len(pairs) < len(same or []):
        raise typer.BadParameter("two files are named as A=B", param_hint="--same")
    from vsearch.calibrating import calibrate
    from vsearch.training import head_recipe

    recipe = head_recipe(config)
    with progress_shown() as progress:
        fitted = calibrate(
            head, codec=Path(recipe.codec), frames=Path(recipe.frames), queries=queries, same=pairs, progress=progress
        )
    for name, chance in fitted.thresholds.items():
        typer.echo(f"{name}: from a probability of {chance:g} on")


@app.command()
def pack(config: ConfigOption, output: OutputOption = Path("runs/pack")) -> None:
    """Pack training frames into a small folder that trainings read.

    \b
      vsearch train pack --config codec.toml -o runs/pack
    """
    from vsearch.training import pack as pack_frames

    with progress_shown() as progress:
        report = pack_frames(config, output, progress)
    typer.echo(f"{counted(report.entries, 'entry', 'entries')} in {report.size_bytes / 1e6:.1f} MB")
    for kind, of_kind in (("video", report.videos), ("photograph", report.photos)):
        if of_kind:
            figures = f"quality {of_kind.quality}, {of_kind.psnr_db:.1f} dB PSNR against the frames as decoded"
            typer.echo(f"{counted(of_kind.entries, kind)}: {figures}")
