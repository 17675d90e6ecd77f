"""What every command shares: the library it opens, progress, and errors turned into one line and an exit status."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from vsearch import osys
from vsearch._version import __version__
from vsearch.cli.progress import ClosingProgress, progress_on_stderr
from vsearch.cli.text import parse_memory
from vsearch.errors import VsearchError
from vsearch.text import printable
from vsearch.threads import collect_rarely

if TYPE_CHECKING:
    from vsearch.library import Library
    from vsearch.models.base import ModelLoader

HELP = """Turn an archive of videos into a small latent library: search it by example, look at it offline.

\b
  vsearch index ~/Videos                           read every video once
  vsearch search excerpt.mp4                       where is this from?
  vsearch preview v12 -o sheet.png                 look at one, decoded from the library
  vsearch cluster --report groups.html             what belongs together
"""
EPILOG = """The library is a folder: --library DIR, else $VSEARCH_LIBRARY, else the platform's data directory.

Exit status: 0 done (also when nothing was found), 1 failed, 2 wrong usage, 130 interrupted; 3 and 4 answer a question
(search --fail-on-match, explain).

'vsearch COMMAND --help' shows options and examples; 'vsearch demo' tries everything on videos that it makes."""

LIBRARY_HELP = "The library's folder. [default: $VSEARCH_LIBRARY, else the platform's data directory]"
LibraryOption = Annotated[Path | None, typer.Option("--library", metavar="DIR", help=LIBRARY_HELP)]
DATABASE_HELP = "Keep the tables on PostgreSQL at this address (extra 'postgres')."
DatabaseOption = Annotated[str | None, typer.Option("--database", metavar="URL", help=DATABASE_HELP)]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more on stderr; show where errors came from.")
]
IndexMemoryOption = Annotated[
    int,
    typer.Option(
        "--index-memory",
        parser=parse_memory,
        metavar="SIZE",
        show_default="2G",
        help="What the search index may take of memory, when one is built.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]

BlurOption = Annotated[bool, typer.Option("--blur", help="Blur every picture until only large shapes remain.")]
GreyOption = Annotated[bool, typer.Option("--grey", help="Show every picture without colour.")]

log = logging.getLogger("vsearch")


def print_version(wanted: bool) -> None:
    """Print the version and end, when asked to."""
    if wanted:
        typer.echo(f"vsearch {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=print_version)
]


def shared_options(
    ctx: typer.Context,
    library: LibraryOption = None,
    database: DatabaseOption = None,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Options given before the command hold for it as if they were given after it."""
    given = {"library": library, "database": database, "verbose": verbose}
    commands = getattr(ctx.command, "commands", {})
    ctx.default_map = {
        name: {k: v for k, v in given.items() if v and k in {parameter.name for parameter in command.params}}
        for name, command in commands.items()
    }
    configure_logging(verbose)


def run(app: typer.Typer, args: list[str] | None = None) -> int:
    """Run a command line and give its exit status: 0, 1, 2 or 130. Every error becomes one line on stderr."""
    collect_rarely()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(args, prog_name="vsearch", standalone_mode=False)
        sys.stdout.flush()
    except VsearchError as error:
        return fail(str(error), error.exit_status)
    except TyperException as error:
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        return fail(f"{message} (see 'vsearch --help')", 2)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - what is left to flush at exit goes nowhere
        return 1
    except (typer.Abort, KeyboardInterrupt):
        status = 130
    except OSError as error:
        return fail(f"{error.filename or 'the system'}: {error.strerror or error}", 1)
    except Exception as error:  # noqa: BLE001 - whatever it is becomes one line
        return fail(f"unexpected {type(error).__name__}: {error} (a bug in vsearch; -v shows where)", 1)
    if status == 130:
        return fail("interrupted", 130)
    return status if isinstance(status, int) else 0


def fail(message: str, status: int) -> int:
    """Print the one line that says what went wrong, and where when verbose. Returns `status`."""
    if sys.exc_info()[0] is not None and log.isEnabledFor(logging.INFO):
        traceback.print_exc()
    first, *more = message.splitlines() or [""]
    print(f"vsearch: error: {printable(first)}", *map(printable, more), sep="\n  ", file=sys.stderr, flush=True)
    return status


def configure_logging(verbose: bool) -> None:
    """Send log records of this program to stderr: warnings, or everything from INFO on when verbose."""
    if not any(isinstance(handler, StderrHandler) for handler in log.handlers):
        log.addHandler(StderrHandler())
        log.propagate = False
    if verbose or not log.level:
        log.setLevel(logging.INFO if verbose else logging.WARNING)


class StderrHandler(logging.Handler):
    """`vsearch: warning: ...` on whatever stderr is now, above a live progress line."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"vsearch: {record.levelname.lower()}: {printable(record.getMessage())}", file=sys.stderr, flush=True)


@contextmanager
def open_library(
    path: Path | None,
    database: str | None,
    *,
    create: bool = False,
    blur: bool = False,
    grey: bool = False,
    models: ModelLoader | None = None,
) -> Iterator[Library]:
    """The library that the options name, closed when the block ends. blur, grey: how it shows pictures; models: what
    loads its models.
    """
    from vsearch.config import Look
    from vsearch.library import Library
    from vsearch.threads import numpy_in_one_thread

    numpy_in_one_thread()
    with Library.open(path, create=create, database=database, look=Look(blur, grey), models=models) as library:
        yield library


@contextmanager
def models_elsewhere(device: str) -> Iterator[ModelLoader | None]:
    """What loads models in a process of its own, begun now: it imports PyTorch, which takes longer than a search, while
    this one does everything else. None where this one has PyTorch already, or will ask it about a GPU.
    """
    if "torch" in sys.modules or (device != "cpu" and osys.has_gpu_driver()):
        yield None
        return
    from vsearch.workers.process import ModelProcess

    with ModelProcess() as process:
        from vsearch.workers.models import RemoteModels

        yield RemoteModels(process)


@contextmanager
def progress_shown() -> Iterator[ClosingProgress]:
    """Progress on stderr, taken down when the block ends."""
    progress = progress_on_stderr()
    try:
        yield progress
    finally:
        progress.close()
