import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.db.compare import assert_stored
from tests.db.samples import indexed, sighting
from vsearch.db.store import Store
from vsearch.errors import InputError, LockedError, NotALibraryError, StoreError, UnavailableError
from vsearch.osys import file_system, on_network
from vsearch.records import IndexedVideo


def make(location: Path | str, *names: str) -> None:
    with Store.open(location, writable=True, create=True) as store:
        for name in names:
            store.add_video(indexed(name), sighting(name.encode()))


def beside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"library.lock"}


# ------------------------------------------------------------------------------------------------ what is no library


def test_nothing_is_not_a_library(location: Path | str) -> None:
    for writable in (False, True):
        with pytest.raises(NotALibraryError, match="vsearch index"):
            Store.open(location, writable=writable)
    assert not isinstance(location, Path) or not location.exists()


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("content", [b"this is not a database at all" * 100, b"SQLite format 3\0" + bytes(84)])
def test_a_file_that_is_no_database_is_not_a_library(tmp_path: Path, content: bytes, writable: bool) -> None:
    (tmp_path / "library.db").write_bytes(content)
    with pytest.raises(StoreError, match=str(tmp_path)):
        Store.open(tmp_path, writable=writable, create=writable)
    assert (tmp_path / "library.db").read_bytes() == content


@pytest.mark.parametrize("writable", [False, True])
def test_another_programs_database_is_not_a_library(tmp_path: Path, writable: bool) -> None:
    raw = sqlite3.connect(tmp_path / "library.db")
    raw.execute("CREATE TABLE photos (id INTEGER)")
    raw.close()
    with pytest.raises(NotALibraryError, match="not a vsearch library"):
        Store.open(tmp_path, writable=writable, create=writable)


def test_a_file_where_a_folder_should_be_is_not_a_library(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(NotALibraryError):
        Store.open(tmp_path / "film.mp4", writable=False)
    with pytest.raises(StoreError, match=r"film\.mp4"):
        Store.open(tmp_path / "film.mp4", writable=True, create=True)


def test_a_library_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "library.db").touch()
    with pytest.raises(NotALibraryError):
        Store.open(tmp_path, writable=False)
    make(tmp_path, "one")
    with Store.open(tmp_path, writable=False) as store:
        assert len(store.video_ids()) == 1


def test_tables_of_others_may_stand_beside_a_library_on_a_server(postgres_url: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE photos (id bigint)"))
    make(postgres_url, "one")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()
    with pytest.raises(NotALibraryError):
        Store.open(postgres_url, writable=True, create=True)


def test_other_addresses_and_impossible_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mysql"):
        Store.open("mysql://localhost/x", writable=False)
    with pytest.raises(InputError, match="writer"):
        Store.open(tmp_path, writable=False, create=True)


def test_a_server_that_is_not_there_gives_one_line_without_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql://me:secret@127.0.0.1:9/x", writable=False)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from vsearch.db.store import Store\n"
        "Store.open('postgresql://127.0.0.1/x', writable=False)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"{UnavailableError.__name__}: a PostgreSQL library needs" in done.stderr


# -------------------------------------------------------------------------------------------------------- one writer


def test_a_second_writer_is_told_who_the_first_is(location: Path | str) -> None:
    with Store.open(location, writable=True, create=True):
        with pytest.raises(LockedError):
            Store.open(location, writable=True)
        program = f"from vsearch.db.store import Store; Store.open({str(location)!r}, writable=True)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert "LockedError" in done.stderr
        assert f"process {os.getpid()} on" in done.stderr
    Store.open(location, writable=True).close()


def test_a_lock_survives_a_refused_second_writer(tmp_path: Path) -> None:
    with Store.open(tmp_path, writable=True, create=True):
        with pytest.raises(LockedError, match="in this process already"):
            Store.open(tmp_path, writable=True)
        program = f"from vsearch.db.store import Store; Store.open({str(tmp_path)!r}, writable=True)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert "LockedError" in done.stderr
    assert (tmp_path / "library.lock").read_bytes() == b""


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    with Store.open(tmp_path, writable=True, create=True):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    try:
        Store.open(tmp_path, writable=True).close()
    finally:
        child.kill()
        child.wait()


def test_a_reader_writes_nothing(store: Store, location: Path | str) -> None:
    store.add_video(indexed(), sighting())
    with Store.open(location, writable=False) as reader:
        assert not reader.writable
        for write in (
            lambda: reader.add_video(indexed("two"), sighting(b"2")),
            lambda: reader.remove_videos([1]),
            lambda: reader.start_run({}, {}),
        ):
            with pytest.raises(StoreError, match="reading only"):
                write()


def test_readers_see_each_commit_while_a_writer_works(store: Store, location: Path | str) -> None:
    with Store.open(location, writable=False) as reader:
        for number in range(5):
            assert reader.meta().generation == number
            video = indexed(str(number))
            video_id = store.add_video(video, sighting(str(number).encode()))
            assert_stored(reader, video_id, video)
        slow = reader.videos()
        next(slow)
        store.remove_videos(store.video_ids())
        assert len(list(slow)) == 4  # the page that was read
        assert reader.video_ids() == []


def test_reading_goes_on_inside_the_writer_from_other_threads(store: Store) -> None:
    from concurrent.futures import ThreadPoolExecutor

    video_id = store.add_video(indexed("one"), sighting(b"one"))

    def read(_: int) -> None:
        assert_stored(store, video_id, indexed("one"))

    def write(number: int) -> None:
        store.add_video(indexed(str(number)), sighting(str(number).encode()))

    with ThreadPoolExecutor(6) as pool:
        for done in [*pool.map(read, range(30)), *pool.map(write, range(12))]:
            assert done is None
    assert len(store.video_ids()) == 13


# ------------------------------------------------------------------------------------------------------- one folder


def test_a_closed_library_is_one_plain_file(tmp_path: Path) -> None:
    with Store.open(tmp_path, writable=True, create=True) as store:
        store.add_video(indexed("one"), sighting(b"one"))
        assert "library.db-wal" in beside(tmp_path)
    assert beside(tmp_path) == {"library.db"}
    assert (tmp_path / "library.db").read_bytes()[18:20] == b"\1\1"  # a rollback journal: readable anywhere
    with Store.open(tmp_path, writable=False) as store:
        store.meta()
        assert beside(tmp_path) == {"library.db"}
    shutil.copytree(tmp_path, tmp_path / "copy")
    with Store.open(tmp_path / "copy", writable=False) as store:
        assert len(store.video_ids()) == 1


def test_a_library_can_be_closed_twice_and_while_it_is_read(tmp_path: Path) -> None:
    make(tmp_path, "one")
    store = Store.open(tmp_path, writable=True)
    with Store.open(tmp_path, writable=False) as reader:
        reader.meta()
        store.add_video(indexed("two"), sighting(b"two"))
        reader.meta()
        store.close()
        store.close()
        assert beside(tmp_path) == {"library.db"}
        assert len(reader.video_ids()) == 2


def test_a_library_that_is_being_read_while_it_is_closed_is_folded_the_next_time(tmp_path: Path) -> None:
    make(tmp_path, "one")
    store = Store.open(tmp_path, writable=True)
    store.add_video(indexed("two"), sighting(b"two"))
    raw = sqlite3.connect(tmp_path / "library.db")
    raw.execute("BEGIN")
    assert raw.execute("SELECT count(*) FROM video").fetchone() == (2,)
    store.close()
    raw.rollback()
    with Store.open(tmp_path, writable=False) as reader:
        assert len(reader.video_ids()) == 2
    raw.close()
    make(tmp_path, "three")
    assert beside(tmp_path) == {"library.db"}


def test_pages_of_removed_videos_are_given_back(tmp_path: Path) -> None:
    make(tmp_path, "kept")
    small = (tmp_path / "library.db").stat().st_size
    with Store.open(tmp_path, writable=True) as store:
        store.add_video(indexed("large", n=3000, latent_bytes=300), sighting(b"large"))
    assert (tmp_path / "library.db").stat().st_size > small + 900_000
    with Store.open(tmp_path, writable=True) as store:
        store.remove_videos([2])
    assert (tmp_path / "library.db").stat().st_size < small + 20_000


def test_a_short_video_takes_little_beside_its_latents_and_embeddings(tmp_path: Path) -> None:
    make(tmp_path)
    empty = (tmp_path / "library.db").stat().st_size
    with Store.open(tmp_path, writable=True) as store:
        for number in range(100):
            name = f"archive/2019/camera 3/clip {number:05d}.mp4"
            store.add_video(indexed(name, n=16, d=128, latent_bytes=700), sighting(name.encode()))
        totals = store.totals()
    growth = (tmp_path / "library.db").stat().st_size - empty
    assert (growth - totals.bytes_latents - totals.bytes_embeddings) / 100 < 2500


def test_network_file_systems_get_a_rollback_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vsearch.osys

    here = file_system(tmp_path)
    assert here is not None
    monkeypatch.setattr(vsearch.osys, "NETWORK_FILE_SYSTEMS", frozenset({here}))
    with Store.open(tmp_path, writable=True, create=True) as store:
        store.add_video(indexed("one"), sighting(b"one"))
        assert beside(tmp_path) == {"library.db"}
        with Store.open(tmp_path, writable=False) as reader:
            assert len(reader.video_ids()) == 1


def test_file_systems_are_told_by_the_longest_mount() -> None:
    assert file_system("/proc/self") == "proc"
    assert file_system("/nowhere/at/all") == file_system("/")
    assert not on_network("/proc")


# ------------------------------------------------------------------------------------------ media that can't be written


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, 3 MB."""
    place = tmp_path / "medium"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "vsearch-test", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


def interrupted_writer(folder: Path) -> None:
    """A library whose writer was killed: its last commit is in the WAL alone."""
    program = (
        "import os, sys; from pathlib import Path; from tests.db.samples import *; from vsearch.db.store import Store\n"
        "store = Store.open(Path(sys.argv[1]), writable=True, create=True)\n"
        "store.add_video(indexed('one'), sighting(b'one')); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    assert (folder / "library.db-wal").stat().st_size > 0


def test_a_closed_library_is_read_from_a_read_only_medium(medium: Path) -> None:
    make(medium, "one")
    read_only(medium)
    with Store.open(medium, writable=False) as store:
        assert len(store.video_ids()) == 1
        assert store.notices == ()
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(medium, writable=True)


def test_a_wal_library_without_a_wal_is_read_from_a_read_only_medium(medium: Path) -> None:
    make(medium, "one")
    raw = sqlite3.connect(medium / "library.db")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    assert (medium / "library.db").read_bytes()[18:20] == b"\2\2"
    read_only(medium)
    with Store.open(medium, writable=False) as store:
        assert len(store.video_ids()) == 1


def test_an_interrupted_library_on_a_read_only_medium_is_recovered_in_a_copy(medium: Path) -> None:
    interrupted_writer(medium)
    (medium / "library.db-shm").unlink()  # as in a copy of the folder: it is not worth copying
    read_only(medium)
    with Store.open(medium, writable=False) as store:
        assert len(store.video_ids()) == 1
        (notice,) = store.notices
        copy = Path(notice.rpartition(" ")[2])
        assert copy.is_dir()
    assert not copy.exists()


def test_an_interrupted_library_is_read_and_goes_on(tmp_path: Path) -> None:
    interrupted_writer(tmp_path)
    with Store.open(tmp_path, writable=False) as store:
        assert len(store.video_ids()) == 1
        assert store.notices == ()
    make(tmp_path, "two")
    assert beside(tmp_path) == {"library.db"}


def test_a_full_disk_is_one_clear_line_and_leaves_a_good_library(medium: Path) -> None:
    (medium / "filler").write_bytes(bytes(1_000_000))
    with Store.open(medium, writable=True, create=True) as store:
        stored: dict[int, IndexedVideo] = {}
        with pytest.raises(StoreError, match="disk is full; nothing is half-written") as caught:
            fill(store, stored)
        assert len(str(caught.value).splitlines()) == 1
        assert len(stored) > 3
        assert store.video_ids() == list(stored)
    (medium / "filler").unlink()
    with Store.open(medium, writable=True) as store:
        for video_id, video in stored.items():
            assert_stored(store, video_id, video)
        store.add_video(indexed("fits now", n=1000), sighting(b"again"))
    assert_sound(medium)


def fill(store: Store, stored: dict[int, IndexedVideo]) -> None:
    for number in range(100):
        video = indexed(str(number), n=1000)
        stored[store.add_video(video, sighting(str(number).encode()))] = video


def test_a_full_disk_when_a_library_is_made_is_one_clear_line(medium: Path) -> None:
    (medium / "fill").write_bytes(bytes(3 * 1024 * 1024 - 8192))
    with pytest.raises(StoreError, match="full"):
        Store.open(medium / "library", writable=True, create=True)
    (medium / "fill").unlink()
    make(medium / "library", "one")
    assert_sound(medium / "library")


def test_a_limit_on_file_sizes_is_one_clear_line(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from tests.db.samples import *\n"
        "from vsearch.db.store import Store; from vsearch.errors import StoreError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
        "with Store.open(Path(sys.argv[1]), writable=True, create=True) as store:\n"
        "    try:\n"
        "        for n in range(100): store.add_video(indexed(str(n), n=1000), sighting(str(n).encode()))\n"
        "    except StoreError as error: print(n, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    count, _, message = done.stdout.strip().partition(" ")
    assert "nothing is half-written" in message
    with Store.open(tmp_path, writable=True) as store:
        assert len(store.video_ids()) == int(count) > 0
    assert_sound(tmp_path)


def assert_sound(folder: Path) -> None:
    raw = sqlite3.connect(folder / "library.db")
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()


# ----------------------------------------------------------------------------------------------------------- weight


def test_the_store_imports_neither_alembic_nor_torch_nor_drivers() -> None:
    program = "import sys, json, vsearch.db.store; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "sqlalchemy" in loaded
    assert not loaded & {"alembic", "torch", "psycopg", "av", "faiss", "rich", "typer"}


def test_the_records_import_no_database() -> None:
    program = "import sys, vsearch.db.records; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
