"""Progress: plain lines in a log, one live line on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vsearch.cli import progress as module
from vsearch.cli.progress import PlainProgress, Tally, progress_on_stderr

SCRIPT = """
import time
from vsearch.cli.progress import LiveProgress, progress_on_stderr
progress = progress_on_stderr()
assert isinstance(progress, LiveProgress)
progress.start("indexing", total_files=2, total_bytes=100)
progress.file("/films/a [bold]b.mp4")
progress.advance(files=1, bytes_=50, seconds_of_video=7200.0)
time.sleep(0.5)
progress.message("/films/c.mp4: [red]no video[/red] stream")
progress.start("sorting")
progress.close()
progress.close()
"""


def test_no_terminal_gets_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLAIN_INTERVAL_S", 0.0)
    progress = progress_on_stderr()
    assert isinstance(progress, PlainProgress)
    progress.start("indexing", total_files=3)
    progress.file("/films/a\x1b.mp4")
    progress.advance(files=1)
    progress.message("/films/b.mp4: no video stream")
    progress.finish()
    progress.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "vsearch: indexing: 3 files",
        "vsearch: indexing: 1 of 3 files, now /films/a\ufffd.mp4",
        "vsearch: /films/b.mp4: no video stream",
        "vsearch: indexing: 1 file in 0.0 s",
    ]


def test_lines_come_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress()
    progress.start("indexing", total_files=1000)
    for _ in range(1000):
        progress.advance(files=1)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_tally_tells_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally("indexing", 120, 1000)
    tally.began -= 60
    tally.add(12, 100, 7200.0)
    assert tally.describe() == "12 of 120 files, 2 hours of video a minute, 9 min left"
    tally.add(108, 900, 0)
    assert tally.describe() == "120 of 120 files, 2 hours of video a minute"


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_live_line_and_messages_above_it() -> None:
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    subprocess.run([sys.executable, "-c", SCRIPT], stderr=slave, env=environment, check=True)
    os.close(slave)
    shown = os.read(master, 65_536).decode()
    os.close(master)
    assert "1 of 2 files" in shown
    assert "/films/a [bold]b.mp4" in shown
    assert "/films/c.mp4: [red]no video[/red] stream" in shown
