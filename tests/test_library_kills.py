"""Whatever stops an indexing run, the next one goes on, and the library ends up the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import archives, videos
from tests.equal_libraries import assert_equal_libraries, contents
from vsearch.config import IndexConfig
from vsearch.db.store import Store
from vsearch.errors import NotALibraryError

ROOT = Path(__file__).resolve().parents[1]


def start(
    library: Path, *paths: Path, workers: int = 2, largest_file_bytes: int | None = None
) -> subprocess.Popen[str]:
    """Indexing in a process of its own. `largest_file_bytes`: no file may grow beyond, as on a disk that is full."""
    codec, head = archives.tiny_folders()
    arguments = [library, codec, head, workers, *paths]

    def limit() -> None:
        if largest_file_bytes is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))

    return subprocess.Popen(
        [sys.executable, "-m", "tests.index_archive", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=limit if sys.platform != "win32" else None,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its last words and exit status."""
    output, _ = process.communicate(timeout=240)
    report: dict[str, Any] = json.loads(output)
    return {**report, "status": process.returncode}


def videos_in(library: Path) -> int:
    """How many videos are visible to somebody else right now."""
    try:
        with Store.open(library, writable=False) as store:
            return len(store.video_ids())
    except NotALibraryError:
        return 0


def wait_for(library: Path, n: int, process: subprocess.Popen[str]) -> None:
    """Until `n` videos are committed."""
    while videos_in(library) < n and process.poll() is None:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good, broken, copied and cut-off files."""
    folder = archives.make_archive(tmp_path_factory.mktemp("videos"), [f"{i:02d}.mp4" for i in range(10)])
    (folder / "noise.mp4").write_bytes(random.Random(1).randbytes(5000))
    shutil.copy(folder / "03.mp4", folder / "zz-copy.mp4")
    whole = archives.make_video(folder.parent / "whole.mp4", 500, seconds=4)
    frames = videos.scene_frames(9, 60, archives.SMALL, noise=20)
    videos.write_stream(whole, frames, fps=10, container_options={"movflags": "faststart"})
    videos.truncated(whole, folder / "half.mp4", 0.5)
    return folder


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of a run that nothing stopped."""
    library = tmp_path_factory.mktemp("undisturbed") / "library"
    with archives.open_tiny(library) as opened:
        report = opened.index([archive], IndexConfig(workers=1))
    assert (report.indexed, report.partial, report.copies, len(report.failed)) == (10, 1, 1, 1)
    return library


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_library_killed_ten_times_equals_an_undisturbed_one(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    chance = random.Random(7)
    for kill in range(10):
        process = start(library, archive)
        wait_for(library, min(kill, 9), process)
        time.sleep(chance.random() * 0.4)
        process.kill()
        process.communicate()
        if videos_in(library):
            contents(library)  # every video that is there is whole
    report = finish(start(library, archive))
    assert report["status"] == 0
    assert_equal_libraries(library, undisturbed)


@pytest.mark.timeout(600)
def test_a_killed_run_is_finished_by_the_next_one(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    process = start(library, archive, workers=1)
    wait_for(library, 2, process)
    process.kill()
    process.communicate()
    before = videos_in(library)
    assert 2 <= before < 11
    report = finish(start(library))  # without a path: what was interrupted
    assert report["status"] == 0
    assert report["unchanged"] >= before
    assert_equal_libraries(library, undisturbed)


@pytest.mark.timeout(600)
def test_ctrl_c_keeps_what_is_done_says_how_far_it_got_and_exits_with_130(archive: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    process = start(library, archive, workers=1)
    wait_for(library, 2, process)
    process.send_signal(signal.SIGINT)
    report = finish(process)
    assert report["status"] == 130
    assert report["code"] == "interrupted"
    assert "of 13 files" in report["error"]
    assert "the same command goes on" in report["error"]
    assert videos_in(library) >= 2
    with Store.open(library, writable=True) as store:  # the lock is free
        assert len(store.runs(unfinished=True)) == 1


@pytest.mark.timeout(600)
def test_a_second_process_that_writes_is_turned_away(archive: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    with Store.open(library, writable=True, create=True):
        second = finish(start(library, archive))
    assert (second["status"], second["code"]) == (1, "locked")


@pytest.mark.timeout(600)
def test_two_workers_make_the_same_library_as_one(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    assert finish(start(tmp_path / "library", archive, workers=2))["status"] == 0
    assert_equal_libraries(tmp_path / "library", undisturbed)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.timeout(600)
def test_a_disk_that_is_full_stops_the_run_and_the_next_one_goes_on(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    process = start(library, archive, largest_file_bytes=200_000)
    report = finish(process)
    assert (report["status"], report["code"]) == (1, "store")
    assert "full" in report["error"]
    assert finish(start(library, archive))["status"] == 0
    assert_equal_libraries(library, undisturbed)
