"""Errors become one line and an exit status; nothing else leaves the program."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from tests.cli.runner import vsearch
from vsearch import errors
from vsearch.cli.context import configure_logging, run


def run_raising(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and stderr of a command that raises."""
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    def broken() -> None:
        raise error

    status = run(app, [])
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InputError("nothing there"), 1),
        (errors.AmbiguousError("which one?\nv1 a.mp4\nv2 b.mp4"), 2),
        (errors.LockedError("busy"), 1),
        (errors.InterruptedRunError("12 of 40 files done; the same command goes on"), 130),
    ],
)
def test_our_errors_have_their_exit_status(
    error: errors.VsearchError, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    got, err = run_raising(error, capsys)
    assert got == status
    assert err == "vsearch: error: " + str(error).replace("\n", "\n  ") + "\n"


def test_ctrl_c_is_130_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_raising(KeyboardInterrupt(), capsys) == (130, "vsearch: error: interrupted\n")


def test_an_error_of_the_system_names_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/lib/library.db")
    assert run_raising(full, capsys) == (1, "vsearch: error: /lib/library.db: No space left on device\n")


def test_an_unexpected_error_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    status, err = run_raising(ZeroDivisionError("division by zero"), capsys)
    assert status == 1
    assert err == "vsearch: error: unexpected ZeroDivisionError: division by zero (a bug in vsearch; -v shows where)\n"


def test_verbose_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("vsearch")
    before = log.level
    try:
        configure_logging(True)
        _, err = run_raising(errors.InputError("nothing there"), capsys)
    finally:
        log.setLevel(before)
    assert "Traceback" in err
    assert err.endswith("vsearch: error: nothing there\n")


def test_warnings_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(False)
    logging.getLogger("vsearch.somewhere").warning("a name with \x1b[31m in it")
    assert capsys.readouterr().err == "vsearch: warning: a name with \ufffd[31m in it\n"


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["search"],
        ["search", "a.mp4", "-k", "0"],
        ["search", "a.mp4", "--min-similarity", "2"],
        ["search", "a.mp4", "--start", "yesterday"],
        ["search", "a.mp4", "--region", "1,2,3"],
        ["search", "--clip", "fine"],
        ["search", "--unlike", "a.mp4"],
        ["search", "a.mp4", "-0"],
        ["search", "a.mp4", "-k", "3", "--all-above", "0.5"],
        ["search", "a.mp4", "--all-above", "most"],
        ["search", "a.mp4", "--duration", "10"],
        ["search", "a.mp4", "--date", "soon.."],
        ["search", "a.mp4", "--group", "film"],
        ["search", "a.mp4", "--new", "--json"],
        ["index", "--sampling", "sometimes"],
        ["index", "--fps", "0"],
        ["index", "--fps", "fast"],
        ["preview", "v1"],
        ["preview", "-o", "a.png"],
        ["preview", "v1", "--all", "-o", "d/"],
        ["preview", "v1", "-o", "a.png", "--frames", "d"],
        ["list", "--json", "--csv"],
        ["list", "--state", "lost"],
        ["train", "codec"],
        ["info", "--nonsense"],
    ],
)
def test_wrong_usage_is_2_and_one_line(args: list[str]) -> None:
    outcome = vsearch(*args)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("vsearch: error: ")
    assert outcome.err.count("\n") == 1


def test_a_folder_that_is_no_library_is_1_and_named(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for command in (["info"], ["list"], ["search", "a.mp4"], ["cluster"], ["preview", "v1", "-o", "a.png"]):
        outcome = vsearch(*command, "--library", tmp_path)
        assert outcome.status == 1
        assert str(tmp_path) in outcome.err
        assert outcome.err.count("\n") == 1


def test_a_reader_that_stops_early_gets_no_traceback() -> None:
    command = f"{sys.executable} -m vsearch --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage")
    assert done.stderr == ""


def test_output_survives_a_terminal_that_knows_ascii_only(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "vsearch", "info", "--library", str(tmp_path / "ein schöner Film")]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 1
    assert b"sch\\xf6ner" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_signal_while_working_is_130() -> None:
    code = (
        "import sys, time, typer; from vsearch.cli.context import run; app = typer.Typer()\n"
        "@app.command()\ndef wait() -> None:\n print('ready', flush=True); time.sleep(30)\n"
        "sys.exit(run(app, []))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == b"vsearch: error: interrupted\n"
