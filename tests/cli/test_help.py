"""Help: fast, light, teaching, and the same as docs/cli.md."""

from __future__ import annotations

import re
import resource
import subprocess
import sys

import pytest
import typer

from tests.cli.runner import vsearch
from tests.cli.schemas import CLI_PAGE
from vsearch.cli.app import app

HEAVY = ("torch", "faiss", "av", "decord", "sqlalchemy", "alembic", "numpy", "PIL", "jinja2", "sklearn", "rich")
COMMANDS = tuple(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
LEAVES = (*(name for name in COMMANDS if name != "train"), "train codec", "train embedding", "train pack")


def options_of(command: str) -> set[str]:
    """The long options that a command's help shows, without those that all share."""
    shown = vsearch(*command.split(), "--help").out.split("Options:")[1]
    return set(re.findall(r"(?m)^  (?:-\w, )?(--[a-z-]+)", shown)) - {"--help", "--library", "--database", "--verbose"}


def page_section(command: str) -> str:
    return CLI_PAGE.read_text("utf-8").split(f"## vsearch {command.split()[0]}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["index", "--help"], ["search", "--help"], ["nonsense"]])
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys; from vsearch.cli.app import app; from vsearch.cli.context import run; "
        f"run(app, {args}); print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_help_takes_less_than_half_a_second_of_cpu() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "vsearch", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_names_every_command_in_a_line_that_is_not_cut_off() -> None:
    shown = vsearch("--help").out.split("Commands:")[1]
    for command in COMMANDS:
        (line,) = (line for line in shown.splitlines() if line.startswith(f"  {command} "))
        assert not line.endswith("...")


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_shows_examples_of_itself(command: str) -> None:
    shown = vsearch(*command.split(), "--help").out
    assert f"\n    vsearch {command}" in shown


@pytest.mark.parametrize("command", LEAVES)
def test_every_option_is_documented(command: str) -> None:
    section = page_section(command)
    undocumented = {option for option in options_of(command) if option not in section}
    assert not undocumented


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_documents_no_option_that_does_not_exist(command: str) -> None:
    leaves = [leaf for leaf in LEAVES if leaf.split()[0] == command]
    known = set().union(*(options_of(leaf) for leaf in leaves))
    rows = [line for line in page_section(command).splitlines() if line.startswith("| `")]
    documented = set(re.findall(r"`[^`]*?(--[a-z-]+)", "\n".join(row.split("|")[1] for row in rows)))
    assert documented <= known


def test_the_page_documents_every_error_code() -> None:
    from vsearch import errors

    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    documented = set(re.findall(r"(?m)^\| `([a-z-]+)` \| [a-z]", CLI_PAGE.read_text("utf-8")))
    assert {kind.code for kind in classes if issubclass(kind, errors.VsearchError)} <= documented


def test_options_may_stand_before_the_command(tmp_path: object) -> None:
    before = vsearch("--library", f"{tmp_path}/none", "info")
    after = vsearch("info", "--library", f"{tmp_path}/none")
    assert before == after
    assert before.status == 1
