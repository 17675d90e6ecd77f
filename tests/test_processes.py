"""Modules in processes of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest

import vsearch
from vsearch.processes import start_module

ECHO = r"""
import sys, vsearch
print("started", file=sys.stderr)
print(*sys.argv[1:], sys.stdin.read(), vsearch.__file__, sep="\n")
"""


def test_a_module_is_given_its_arguments_and_its_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "echo.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path / "modules"), "."]))
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the current folder')")
    (tmp_path / "vsearch.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryFile() as file:
        log = cast(BinaryIO, file)
        process, requests, replies = start_module("echo", "one", "two", log=log)
        with process, requests, replies:
            requests.write(b"three")
            requests.close()
            assert replies.read().decode().splitlines() == ["one", "two", "three", vsearch.__file__]
        assert process.returncode == 0
        log.seek(0)
        assert log.read().split() == [b"started"]
