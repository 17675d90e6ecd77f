"""What a pass over a file yields, on videos whose every frame and time is known."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.videos import counted, counting_frames, cuts_video, scene_frames, texture, truncated, write_stream
from vsearch.config import ReadConfig
from vsearch.errors import NoVideoError
from vsearch.media.reading import read_file
from vsearch.records import FrameBatch, Reading

EVERY_FRAME = ReadConfig(fps=Fraction(240))


def read(path: Path, config: ReadConfig = EVERY_FRAME) -> tuple[list[FrameBatch], Reading]:
    with read_file(os.fsencode(path), config) as file:
        return list(file), file.reading


def numbers(batches: list[FrameBatch]) -> list[int]:
    return [counted(picture) for batch in batches for picture in batch.frames]


def test_every_frame_comes_once_in_order_with_its_exact_time(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "b.mp4", counting_frames(40), fps=Fraction(30000, 1001), options={"bf": "3"})
    batches, reading = read(path)
    base = reading.info.time_base
    assert numbers(batches) == list(range(40))
    assert [pts * base for pts in reading.frame_pts] == [Fraction(1001 * n, 30000) for n in range(40)]
    assert (reading.state, reading.reason, reading.frames_decoded) == ("ok", None, 40)
    assert reading.duration_s == pytest.approx(40 * 1001 / 30000)


def test_batches_are_as_long_as_asked_and_carry_their_times(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "a.mp4", counting_frames(20))
    batches, reading = read(path, ReadConfig(fps=Fraction(240), batch_frames=8))
    assert [len(batch.frames) for batch in batches] == [8, 8, 4]
    assert [int(pts) for batch in batches for pts in batch.pts] == list(reading.frame_pts)


def test_default_sampling_takes_one_frame_a_second_and_each_shots_first(tmp_path: Path) -> None:
    starts = cuts_video(tmp_path / "cuts.mp4", [(1, 35), (2, 40), (3, 50)])
    _, reading = read(tmp_path / "cuts.mp4", ReadConfig())
    tick = Fraction(1, 25) / reading.info.time_base
    frames = [int(pts / tick) for pts in reading.frame_pts]
    assert frames == sorted({0, 25, 50, 75, 100, *starts})
    assert [int(shot.start_pts / tick) for shot in reading.shots] == starts
    assert [shot.kind for shot in reading.shots] == ["start", "cut", "cut"]
    assert reading.shots[-1].end_pts == reading.end_pts == 125 * tick


def test_variable_frame_rate_keeps_each_frames_own_time(tmp_path: Path) -> None:
    pts = [0, 3, 4, 90, 100, 101, 250]
    path = write_stream(tmp_path / "v.mkv", counting_frames(7), pts=pts, time_base=Fraction(1, 100))
    batches, reading = read(path)
    assert numbers(batches) == list(range(7))
    assert [time * reading.info.time_base for time in reading.frame_pts] == [Fraction(n, 100) for n in pts]


def test_time_zero_is_the_first_frames_time(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "late.mkv", scene_frames(1, 50), pts=range(250, 300))
    _, reading = read(path, ReadConfig())
    assert reading.start_pts == reading.frame_pts[0] == 10_000
    assert reading.frame_pts == (10_000, 11_000)
    assert reading.duration_s == pytest.approx(2.0)


def test_the_last_frame_ends_at_its_duration_or_the_median_interval(tmp_path: Path) -> None:
    _, reading = read(write_stream(tmp_path / "a.avi", counting_frames(10), codec="mpeg4"))
    assert reading.duration_s == pytest.approx(0.4)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_come_in_display_orientation(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    picture = texture(5, (144, 256))
    path = write_stream(tmp_path / "r.mp4", [picture] * 2, rotation=rotation, mirrored=mirrored, options={"crf": "10"})
    batches, reading = read(path)
    shown = np.rot90(picture[:, :, ::-1] if mirrored else picture, -rotation // 90, axes=(1, 2))
    got = batches[0].frames[0]
    assert got.shape == shown.shape
    assert np.abs(got.astype(int) - shown).mean() < 4
    assert (reading.info.rotation, reading.info.mirrored) == (rotation, mirrored)
    assert reading.info.display_aspect == Fraction(got.shape[2], got.shape[1])


def test_pixel_aspect_shapes_the_picture(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "s.mkv", [texture(1, (144, 128))] * 2, pixel_aspect=Fraction(2))
    batches, reading = read(path)
    assert reading.info.display_aspect == Fraction(16, 9)
    assert batches[0].frames.shape == (2, 3, 144, 256)


@pytest.mark.parametrize("size", [(61, 97), (2, 2), (17, 300)])
def test_odd_and_tiny_sizes_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_stream(tmp_path / "o.mkv", [texture(2, size)] * 3, codec="ffv1", pixel_format="yuv444p")
    batches, _ = read(path)
    assert batches[0].frames.shape[2] % 16 == 0
    assert len(batches[0].frames) == 3


@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("colorspace", [1, 5])
def test_matrix_and_range_are_respected(tmp_path: Path, color_range: int, colorspace: int) -> None:
    bars = np.zeros((3, 144, 256), np.uint8)
    for column, color in enumerate([(235, 30, 30), (30, 235, 30), (30, 30, 235), (235, 235, 235)]):
        bars[:, :, column * 64 : column * 64 + 64] = np.array(color)[:, None, None]
    path = write_stream(
        tmp_path / "c.mp4",
        [bars] * 2,
        color_range=color_range,
        colorspace=colorspace,
        options={"crf": "4"},
    )
    got = read(path)[0][0].frames[0]
    assert np.abs(got[:, :, 20:40].astype(int) - bars[:, :, 20:40]).max() <= 6
    assert np.abs(got.astype(int) - bars).mean() < 3


def test_an_image_file_is_a_still_and_a_one_frame_video_is_not(tmp_path: Path) -> None:
    write_stream(tmp_path / "i.png", [texture(3)], codec="png", pixel_format="rgb24", container_options={"update": "1"})
    write_stream(tmp_path / "v.mp4", [texture(3)])
    assert read(tmp_path / "i.png")[1].info.still
    assert not read(tmp_path / "v.mp4")[1].info.still


def test_an_animation_is_video(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "a.gif", counting_frames(4), fps=10, codec="gif", pixel_format="rgb8")
    assert not read(path)[1].info.still


def test_transparent_stills_are_shown_on_white(tmp_path: Path) -> None:
    import av

    rgba = np.zeros((144, 256, 4), np.uint8)
    rgba[:, 128:] = (255, 0, 0, 255)
    with av.open(str(tmp_path / "t.png"), "w", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 256, 144, "rgba"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")))
        container.mux(stream.encode(None))
    picture = read(tmp_path / "t.png")[0][0].frames[0]
    assert picture[:, 70, 40].tolist() == [255, 255, 255]
    assert picture[:, 70, 200].tolist() == [255, 0, 0]


def test_key_frame_sampling_yields_key_frames_only(tmp_path: Path) -> None:
    options = {"g": "10", "sc_threshold": "0", "bf": "2"}
    path = write_stream(tmp_path / "k.mp4", counting_frames(100), options=options)
    batches, reading = read(path, ReadConfig(sampling="keyframes", fps=Fraction(100)))
    assert numbers(batches) == list(range(0, 100, 10))
    assert reading.state == "ok"


def test_key_frames_are_thinned_to_the_rate(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "k.mkv", scene_frames(1, 100), options={"g": "10", "sc_threshold": "0"})
    _, reading = read(path, ReadConfig(sampling="keyframes"))
    assert reading.frame_pts == (0, 1200, 2000, 3200)
    assert reading.frames_decoded == 10


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_range_yields_exactly_its_frames(tmp_path: Path, suffix: str) -> None:
    path = write_stream(tmp_path / f"r.{suffix}", counting_frames(200), options={"g": "30", "bf": "2"})
    batches, reading = read(path, ReadConfig(fps=Fraction(240), start_s=3.0, end_s=4.0))
    assert numbers(batches) == list(range(75, 100))
    _, whole = read(path, ReadConfig())
    assert reading.start_pts == whole.start_pts
    assert (reading.end_pts - whole.start_pts) * reading.info.time_base == 4


def test_a_range_behind_the_end_is_refused(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "r.mp4", counting_frames(25))
    with pytest.raises(NoVideoError, match="range"):
        read(path, ReadConfig(start_s=5.0))


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_stream(
        tmp_path / "w.mp4", counting_frames(100), container_options={"movflags": "faststart"}, options={"g": "12"}
    )
    batches, reading = read(truncated(whole, tmp_path / "t.mp4", 0.7))
    assert 20 < reading.frames_decoded < 100
    assert numbers(batches)[:20] == list(range(20))
    assert reading.state == "partial"
    assert reading.reason


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4", "avi"])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.8])
def test_a_file_cut_anywhere_is_partial(tmp_path: Path, suffix: str, share: float) -> None:
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(suffix, "libx264")
    movflags = {"movflags": "faststart"} if suffix == "mp4" else {}
    path = tmp_path / f"w.{suffix}"
    write_stream(path, scene_frames(1, 50, noise=8), codec=codec, container_options=movflags, audio_s=0)
    assert read(path, ReadConfig())[1].state == "ok"
    _, reading = read(truncated(path, tmp_path / f"t.{suffix}", share), ReadConfig())
    assert reading.state == "partial"
    assert reading.frames_decoded < 50


def test_identity_is_of_the_bytes_alone(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "a.mp4", counting_frames(5))
    copy = tmp_path / "b.mp4"
    copy.write_bytes(path.read_bytes())
    first, second = read(path)[1].identity, read(copy)[1].identity
    assert first == second
    copy.write_bytes(path.read_bytes() + b"\0")
    assert read(copy)[1].identity.full_hash != first.full_hash


def test_a_start_timecode_is_kept(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "t.mov", counting_frames(5), fps=Fraction(30000, 1001), timecode="01:02:03;04")
    facts = read(path)[1].info.facts
    assert (facts.timecode, facts.drop_frame, facts.timecode_rate) == ("01:02:03;04", True, Fraction(30000, 1001))


def test_sound_is_counted_and_not_decoded(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "s.mp4", counting_frames(25), audio_s=1.0)
    assert read(path)[1].info.facts.audio_streams == 1
