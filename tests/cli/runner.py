"""Runs command lines inside the test's process, as `vsearch` would."""

from __future__ import annotations

import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch.cli.app import app
from vsearch.cli.context import run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command line answered."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """The only object on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    def lines(self) -> list[Any]:
        """The objects on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def vsearch(*args: str | Path) -> Outcome:
    """The outcome of `vsearch ARGS...`."""
    written = io.BytesIO()
    out, err = io.TextIOWrapper(written, "utf-8", newline=""), io.StringIO()
    logging.getLogger("vsearch").setLevel(logging.NOTSET)
    with redirect_stdout(out), redirect_stderr(err):
        status = run(app, [str(arg) for arg in args])
    out.flush()
    return Outcome(status, written.getvalue().decode("utf-8", "surrogateescape"), err.getvalue())
