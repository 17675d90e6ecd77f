import os
from pathlib import Path

import pytest

from vsearch.db.naming import absolute_forms, forced_number, has_name, matches, splits, video_number


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("/mnt/a", True),
        ("/mnt/a/", True),
        ("/mnt/a/b/film.mp4", True),
        ("/mnt", True),
        ("/", True),
        ("/mnt/a/b/fil", False),
        ("/mn", False),
        ("*.mp4", True),
        ("film*", True),
        ("*.mov", False),
        ("/mnt/*/film.mp4", True),
        ("b/film.mp4", False),
    ],
)
def test_patterns_are_folders_files_or_globs(pattern: str, fits: bool) -> None:
    assert matches(pattern, "/mnt/a/b/film.mp4") is fits


def test_a_relative_folder_is_taken_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert matches("videos", str(tmp_path / "videos" / "a.mp4"))
    assert matches(".", str(tmp_path / "a.mp4"))
    assert not matches("videos", str(tmp_path / "videos2" / "a.mp4"))


def test_names_are_whole_last_components() -> None:
    assert has_name(b"/a/b/c.mp4", b"c.mp4")
    assert has_name(b"/a/b/c.mp4", b"b/c.mp4")
    assert not has_name(b"/a/b/c.mp4", b"/c.mp4")
    assert not has_name(b"/a/bc.mp4", b"c.mp4")


def test_an_absolute_path_splits_at_every_slash() -> None:
    assert list(splits(b"/a/b/c")) == [(b"/a/b/c", b""), (b"/a/b", b"c"), (b"/a", b"b/c"), (b"/", b"a/b/c")]


def test_absolute_forms_follow_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    forms = absolute_forms(str(tmp_path / "link" / "x.mp4"))
    assert forms == {os.fsencode(tmp_path / "link" / "x.mp4"), os.fsencode(tmp_path.resolve() / "real" / "x.mp4")}
    assert absolute_forms("") == set()
    assert absolute_forms("a\0b") == set()


def test_numbers_have_one_form() -> None:
    assert video_number("v12") == 12
    assert [video_number(text) for text in ("12", "v0", "v012", "V12", "v12 ", "vx", "v\u0661")] == [None] * 7
    assert [forced_number(text) for text in ("12", "v12", "c12", "")] == [12, 12, None, None]
