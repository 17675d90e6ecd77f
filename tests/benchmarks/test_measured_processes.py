"""Time and memory of commands and of everything that they start."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import av
import pytest

from benchmarks.generated import long_file
from benchmarks.processes import MemorySampler, run
from benchmarks.report import BenchmarkError
from tests.conftest import skip_or_fail

BUSY = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
MEGABYTES = 60
HOLDS = f"import time; held = bytearray(b'x') * ({MEGABYTES} << 20); time.sleep(0.6)"


def nested(code: str) -> tuple[str, ...]:
    """A process whose child runs the code."""
    return sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"


def test_cpu_time_of_children_is_counted() -> None:
    spent = run(nested(BUSY))
    assert 0.3 <= spent.cpu_s < 5
    assert spent.wall_s >= 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_of_children_is_counted_at_its_peak() -> None:
    sampler = MemorySampler(every_s=0.05)
    run(nested(HOLDS), memory=sampler)
    assert sampler.peak.processes == 2
    assert sampler.peak.rss >= sampler.peak.pss >= MEGABYTES << 20
    assert sampler.peak.rss < (MEGABYTES + 200) << 20


def test_what_a_command_prints_is_kept() -> None:
    assert run((sys.executable, "-c", "print('{}')")).stdout == "{}\n"


def test_a_command_that_fails_is_an_error_with_its_last_words() -> None:
    with pytest.raises(BenchmarkError, match="exit 3: no such thing"):
        run((sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"))
    with pytest.raises(BenchmarkError, match="not-a-program"):
        run(("not-a-program",))


def test_the_generated_file_has_its_length_and_key_frames(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        skip_or_fail("the ffmpeg command is missing")
    path = long_file(tmp_path / "long.mp4", parts=2, width=64, height=48, fps=5)
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    keys = [float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe]
    assert len(packets) == 40 * 5
    assert keys == pytest.approx([0, 10, 20, 30], abs=0.05)
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.mp4"]
