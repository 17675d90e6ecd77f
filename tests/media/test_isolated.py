"""The decoding process: same results as in this process, and nothing that happens to it harms more than one file."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.videos import audio_only, counting_frames, cuts_video, write_stream
from vsearch.config import ReadConfig
from vsearch.errors import (
    DecoderCrashError,
    DecoderStallError,
    InputError,
    MediaError,
    NoVideoError,
    RefusedError,
)
from vsearch.media.isolated import DecodeProcess
from vsearch.media.reading import read_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


FRAMES = 75


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("isolated") / "v.mp4"
    return os.fsencode(write_stream(path, counting_frames(FRAMES), options={"preset": "ultrafast"}))


def child_pid(process: DecodeProcess) -> int:
    assert process.pid is not None
    return process.pid


def test_the_child_gives_what_this_process_gives(tmp_path: Path) -> None:
    cuts_video(tmp_path / "c.mp4", [(1, 30), (2, 45)], metadata={"title": "Zwei"})
    path, config = os.fsencode(tmp_path / "c.mp4"), ReadConfig(fps=Fraction(10), batch_frames=7)
    with read_file(path, config) as file, DecodeProcess(config) as process:
        here = list(file)
        stream = process.read(path)
        there = list(stream)
        assert stream.reading == file.reading
        assert stream.info == file.info
        assert stream.identity == file.identity
    assert [batch.pts.tolist() for batch in here] == [batch.pts.tolist() for batch in there]
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(here, there, strict=True))


def test_one_child_reads_many_files(video: bytes) -> None:
    with DecodeProcess(ReadConfig()) as process:
        first = process.read(video)
        assert sum(len(batch.frames) for batch in first) >= 3
        pid = child_pid(process)
        assert sum(len(batch.frames) for batch in process.read(video)) >= 3
        assert child_pid(process) == pid


def test_a_child_that_was_started_ahead_reads_the_first_file(video: bytes) -> None:
    with DecodeProcess(ReadConfig()) as process:
        process.start()
        started = child_pid(process)
        process.start()
        assert sum(len(batch.frames) for batch in process.read(video)) >= 3
        assert child_pid(process) == started


def test_without_identify_only_the_size_is_known(video: bytes) -> None:
    with DecodeProcess(ReadConfig()) as process:
        identity = process.read(video, identify=False).identity
    assert (identity.size_bytes, identity.full_hash) == (Path(os.fsdecode(video)).stat().st_size, b"")


def test_reading_is_not_there_before_the_end(video: bytes) -> None:
    with DecodeProcess(ReadConfig()) as process, process.read(video) as stream, pytest.raises(RuntimeError):
        _ = stream.reading


def test_a_stream_can_be_left_early_and_the_child_goes_on(video: bytes) -> None:
    config = ReadConfig(fps=Fraction(25), batch_frames=1)
    with DecodeProcess(config) as process:
        with process.read(video) as stream:
            next(iter(stream))
        pid = child_pid(process)
        abandoned = process.read(video)
        next(iter(abandoned))
        assert sum(len(batch.frames) for batch in process.read(video)) == FRAMES
        assert child_pid(process) == pid


def bad_files(folder: Path) -> dict[str, tuple[Path, type[MediaError]]]:
    (folder / "empty.mp4").touch()
    (folder / "random.mp4").write_bytes(np.random.default_rng(0).bytes(70_000))
    (folder / "hls.mp4").write_text("#EXTM3U\n#EXTINF:5,\nfile:///etc/hostname\n")
    (folder / "concat.mkv").write_text("ffconcat version 1.0\nfile '/etc/hostname'\n")
    (folder / "session.mp4").write_text("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n")
    (folder / "manifest.mp4").write_text('<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>')
    (folder / "text.mkv").write_text("This is no video.\n" * 100)
    (folder / "folder.mp4").mkdir()
    audio_only(folder / "sound.mp4")
    return {
        "missing": (folder / "nothing.mp4", MediaError),
        "empty": (folder / "empty.mp4", NoVideoError),
        "random": (folder / "random.mp4", MediaError),
        "playlist": (folder / "hls.mp4", RefusedError),
        "file list": (folder / "concat.mkv", RefusedError),
        "SDP": (folder / "session.mp4", RefusedError),
        "DASH": (folder / "manifest.mp4", RefusedError),
        "text": (folder / "text.mkv", MediaError),
        "folder": (folder / "folder.mp4", MediaError),
        "sound only": (folder / "sound.mp4", NoVideoError),
    }


def test_each_kind_of_bad_file_gets_its_error_in_one_line(tmp_path: Path, video: bytes) -> None:
    with DecodeProcess(ReadConfig()) as process:
        for name, (path, kind) in bad_files(tmp_path).items():
            with pytest.raises(MediaError) as caught:
                list(process.read(os.fsencode(path)))
            assert type(caught.value) is kind, name
            assert "\n" not in str(caught.value)
            assert path.name in str(caught.value)
        assert len(list(process.read(video))) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.mp4")
    with DecodeProcess(ReadConfig()) as process, pytest.raises(MediaError, match="not a regular file"):
        process.read(os.fsencode(tmp_path / "f.mp4"))


def test_names_may_be_any_bytes(tmp_path: Path, video: bytes) -> None:
    target = os.fsencode(tmp_path) + b"/http:%03d \xff\n.mp4"
    try:
        shutil.copyfile(video, target)
    except OSError:
        pytest.skip("the file system does not take such names")
    with DecodeProcess(ReadConfig()) as process:
        assert len(list(process.read(target))) == 1


def test_an_unknown_reader_is_an_input_error(video: bytes) -> None:
    with DecodeProcess(ReadConfig(reader="nonesuch")) as process, pytest.raises(InputError, match="pyav"):
        process.read(video)


@posix
def test_a_crash_costs_one_file(video: bytes) -> None:
    config = ReadConfig(fps=Fraction(25), batch_frames=1)
    with DecodeProcess(config) as process:
        stream = process.read(video)
        os.kill(child_pid(process), signal.SIGSEGV)
        with pytest.raises(DecoderCrashError, match="SIGSEGV"):
            list(stream)
        assert sum(len(batch.frames) for batch in process.read(video)) == FRAMES


@posix
def test_a_stall_is_ended_after_the_time_allowed(video: bytes) -> None:
    config = ReadConfig(fps=Fraction(25), batch_frames=1, stall_s=3)
    with DecodeProcess(config) as process:
        stream = process.read(video)
        os.kill(child_pid(process), signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(DecoderStallError, match="no progress"):
            list(stream)
        assert time.monotonic() - began < 30
        assert sum(len(batch.frames) for batch in process.read(video)) == FRAMES


@posix
def test_the_child_ignores_an_interrupt(video: bytes) -> None:
    with DecodeProcess(ReadConfig(fps=Fraction(25), batch_frames=1)) as process:
        stream = process.read(video)
        os.kill(child_pid(process), signal.SIGINT)
        assert sum(len(batch.frames) for batch in stream) == FRAMES


@posix
def test_the_child_ends_when_its_parent_is_killed(video: bytes) -> None:
    program = (
        "import sys; from vsearch.config import ReadConfig; from vsearch.media.isolated import DecodeProcess\n"
        "process = DecodeProcess(ReadConfig()); process.read(bytes.fromhex(sys.argv[1]))\n"
        "print(process.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, video.hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # a zombie has ended; whoever adopted it has not looked yet


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_file_that_needs_too_much_memory_fails_alone(tmp_path: Path, video: bytes) -> None:
    side = 8000
    rows = zlib.compress(bytes(side * (side + 1)), 1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    huge = tmp_path / "h.png"
    huge.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    )
    with DecodeProcess(ReadConfig(memory_bytes=32 << 20)) as process:
        with pytest.raises(MediaError):
            list(process.read(os.fsencode(huge)))
        assert len(list(process.read(video))) == 1


def test_the_child_never_imports_torch() -> None:
    code = "import sys; import vsearch.media.child; sys.exit(any(name in sys.modules for name in ('torch', 'faiss')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_module_in_the_current_folder_is_not_imported(
    tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    with DecodeProcess(ReadConfig()) as process:
        assert len(list(process.read(video))) == 1


def test_a_stream_that_is_abandoned_at_exit_ends_quietly(video: bytes) -> None:
    script = (
        "import sys\n"
        "from vsearch.config import ReadConfig\n"
        "from vsearch.media.isolated import DecodeProcess\n"
        "def batches():\n"
        "    config = ReadConfig(fps=25, batch_frames=1)\n"
        "    with DecodeProcess(config) as decoder, decoder.read(sys.argv[1].encode(), config) as stream:\n"
        "        yield from stream\n"
        "kept = batches()\n"
        "next(kept)\n"
    )
    command = [sys.executable, "-c", script, os.fsdecode(video)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
