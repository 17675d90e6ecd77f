"""The list of commands, nothing else."""

from __future__ import annotations

import sys

import typer

from vsearch.cli import context
from vsearch.cli.commands import (
    cluster,
    demo,
    duplicates,
    explain,
    export,
    index,
    info,
    listing,
    preview,
    reembed,
    remove,
    search,
    train,
)

app = typer.Typer(
    name="vsearch",
    help=context.HELP,
    epilog=context.EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(context.shared_options)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("explain")(explain.explain)
app.command("preview")(preview.preview)
app.command("cluster")(cluster.cluster)
app.command("duplicates")(duplicates.duplicates)
app.command("recurring")(duplicates.recurring)
app.command("list")(listing.listing)
app.command("info")(info.info)
app.command("export")(export.export)
app.command("reembed")(reembed.reembed)
app.command("remove")(remove.remove)
app.add_typer(train.app, name="train")
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(context.run(app))
