"""Previews as files: forms by name, marks in pictures and metadata, whole files or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.render.footage import footage_of, moving_picture
from vsearch.errors import InputError, LatentError
from vsearch.records import Clip
from vsearch.render.frames import Excerpt, Footage
from vsearch.render.marks import NOTICE
from vsearch.render.previews import resolve_form, write_preview
from vsearch.render.sheets import MOST_PICTURES, arrange


@pytest.fixture(scope="module")
def film() -> Footage:
    return footage_of(moving_picture(100, height=48, width=80))


def test_a_png_sheet_shows_pictures_and_says_what_they_are(film: Footage, tmp_path: Path) -> None:
    report = write_preview([Excerpt(film, label="v1")], tmp_path / "sheet.png")
    assert report.frames == 48
    with Image.open(report.files[0]) as sheet:
        assert sheet.format == "PNG"
        assert sheet.text["Description"] == NOTICE
        assert sheet.text["Title"] == "/films/disc.mp4"
        grid = arrange(48, 80, 48)
        assert sheet.size == grid.size
        x, y = grid.corner(0)
        assert sheet.getpixel((x, y)) == (0, 0, 0)
        x, y = grid.corner(47)
        assert sheet.getpixel((x, y)) == (99, 0, 0)


def test_a_webp_sheet_carries_the_notice_as_xmp(film: Footage, tmp_path: Path) -> None:
    write_preview([Excerpt(film, 10, 20)], tmp_path / "sheet.webp")
    with Image.open(tmp_path / "sheet.webp") as sheet:
        assert sheet.format == "WEBP"
        assert NOTICE.encode() in sheet.info["xmp"]


def test_a_step_decides_how_many_pictures_a_sheet_has(film: Footage, tmp_path: Path) -> None:
    assert write_preview([Excerpt(film)], tmp_path / "a.png", every_s=10).frames == 10
    assert write_preview([Excerpt(film)], tmp_path / "b.png", every_s=0.5).frames == 100


def test_more_pictures_than_fit_a_sheet_are_refused(tmp_path: Path) -> None:
    long = footage_of(moving_picture(MOST_PICTURES + 1, height=16, width=16))
    with pytest.raises(InputError, match="do not fit one sheet"):
        write_preview([Excerpt(long)], tmp_path / "a.png", every_s=1)


def test_the_largest_sheet_stays_within_what_webp_can_hold() -> None:
    for shape in [(256, 144), (144, 256), (192, 192), (2304, 12)]:
        assert max(arrange(MOST_PICTURES, *shape).size) <= 16_383 or shape == (2304, 12)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_moves_and_repeats(film: Footage, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"a{suffix}"
    assert write_preview([Excerpt(film, 0, 12)], out, form="animation").frames == 12
    with Image.open(out) as image:
        assert image.n_frames == 12
        assert image.info["loop"] == 0
        assert image.size == (80, 48 + 20)
        assert NOTICE.encode() in (image.info.get("xmp") or image.info["comment"])
        durations = []
        for i in range(12):
            image.seek(i)
            image.load()
            durations.append(image.info["duration"])
    assert durations == [250] * 12


def test_a_still_makes_an_animation_of_one_picture(tmp_path: Path) -> None:
    still = footage_of(moving_picture(1, height=16, width=32))
    assert write_preview([Excerpt(still)], tmp_path / "a.gif").frames == 1


def test_frames_are_named_by_their_time_and_lossless(tmp_path: Path) -> None:
    frames = moving_picture(3, height=32, width=48)
    film = footage_of(frames, pts=[7, 1007, 2057])
    report = write_preview([Excerpt(film)], tmp_path / "frames", form="frames")
    assert [path.name for path in report.files] == ["000000000.png", "000001000.png", "000002050.png"]
    for path, frame in zip(report.files, frames, strict=True):
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), frame.transpose(1, 2, 0))
            assert image.text["Description"] == NOTICE


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.mp4", "frames"])
def test_the_metadata_say_how_true_the_pictures_are(film: Footage, tmp_path: Path, name: str) -> None:
    edges = [film.start_pts, film.start_pts + 2000, film.end_pts]
    clips = [Clip(edges[0], edges[1], 0, psnr_db=30.0), Clip(edges[1], edges[2], 0, psnr_db=36.0)]
    measured = replace(film, quality="high", clips=clips)
    out = tmp_path / name
    (file,) = write_preview([Excerpt(measured, 0, 3)], out, form="frames" if name == "frames" else "auto").files[-1:]
    found = metadata_of(file)
    assert NOTICE in found
    assert "Stored in high quality." in found
    assert f"PSNR {36.0 if name == 'frames' else 32.0} dB against the sampled frames" in found


def test_the_metadata_leave_out_what_was_not_measured(film: Footage, tmp_path: Path) -> None:
    clips = [Clip(film.start_pts, film.end_pts, 0)]
    write_preview([Excerpt(replace(film, quality="low", clips=clips))], tmp_path / "a.png")
    found = metadata_of(tmp_path / "a.png")
    assert "Stored in low quality." in found
    assert "PSNR" not in found


def metadata_of(file: Path) -> str:
    """Everything that a file says of itself."""
    if file.suffix == ".mp4":
        with av.open(str(file)) as container:
            return container.metadata["comment"]
    with Image.open(file) as image:
        told = image.info.get("Description") or image.info.get("xmp") or image.info["comment"]
    return told if isinstance(told, str) else told.decode()


def test_a_folder_gets_a_sheet_each_and_an_index(film: Footage, tmp_path: Path) -> None:
    twice = [Excerpt(film, label="v1"), Excerpt(film, 3, 9, label="c4"), Excerpt(film, label="v1")]
    report = write_preview(twice, tmp_path / "sheets")
    names = [path.name for path in report.files]
    assert names == ["index.html", "v1-disc.webp", "c4-disc.webp", "v1-disc-2.webp"]
    page = report.files[0].read_text()
    assert all(name in page for name in names[1:])


def test_a_folder_names_what_cannot_be_drawn(film: Footage, tmp_path: Path) -> None:
    def damaged(numbers: object) -> object:
        raise LatentError("chunk 3 of v2 is damaged")

    broken = Footage(
        "/films/broken.mp4", film.frame_pts, film.start_pts, film.end_pts, film.time_base, film.display_aspect,
        film.codec, damaged,  # type: ignore[arg-type]
    )  # fmt: skip
    report = write_preview([Excerpt(film), Excerpt(broken)], tmp_path / "sheets")
    assert len(report.files) == 2
    assert "chunk 3 of v2 is damaged" in report.files[0].read_text()


def test_an_mp4_shows_every_frame_at_a_quarter_of_its_time(film: Footage, tmp_path: Path) -> None:
    report = write_preview([Excerpt(film, 10, 18)], tmp_path / "a.mp4")
    assert report.frames == 8
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
        assert container.metadata["comment"] == NOTICE
    assert [round(float(frame.time), 3) for frame in frames] == [i / 4 for i in range(8)]


def test_a_failed_drawing_leaves_neither_file_nor_remains(film: Footage, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"before")
    short = Excerpt(film, 1000, 1001)
    with pytest.raises(InputError):
        write_preview([short], tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"before"


def test_a_missing_folder_is_named_in_the_error(film: Footage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*a\.png: No such file or directory"):
        write_preview([Excerpt(film)], tmp_path / "missing" / "a.png")


@pytest.mark.parametrize(
    ("name", "form", "resolved"),
    [
        ("a.png", "auto", "sheet"),
        ("a.WEBP", "auto", "sheet"),
        ("a.webp", "animation", "animation"),
        ("a.gif", "auto", "animation"),
        ("a.mp4", "auto", "video"),
        ("folder", "auto", "folder"),
        ("v1.0", "folder", "folder"),
        ("numbers", "frames", "frames"),
    ],
)
def test_the_form_follows_the_name(name: str, form: str, resolved: str) -> None:
    assert resolve_form(Path(name), form) == resolved


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("a.jpg", "auto", r"\.png, \.webp, \.gif or \.mp4"),
        ("a.png", "animation", r"\.gif or \.webp"),
        ("a.gif", "sheet", r"\.png or \.webp"),
        ("folder", "video", "one file"),
        ("a.png", "hologram", "unknown form"),
    ],
)
def test_a_name_that_disagrees_with_the_form_is_refused(name: str, form: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        resolve_form(Path(name), form)


def test_several_videos_in_one_file_are_refused(film: Footage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a folder"):
        write_preview([Excerpt(film), Excerpt(film)], tmp_path / "a.png")
    with pytest.raises(InputError, match="nothing to preview"):
        write_preview([], tmp_path / "a.png")
    with pytest.raises(InputError, match="above 0"):
        write_preview([Excerpt(film)], tmp_path / "a.mp4", speed=0)
