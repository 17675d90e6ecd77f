from __future__ import annotations

from pathlib import Path

import pytest

from tests import archives, videos
from vsearch.indexer.candidates import SNIFFED_BYTES, decided_by_name, looks_like_text, suffix_of, why_not

MP4 = b"\0\0\0\x20ftypisom" + bytes(24)


def test_a_video_suffix_makes_a_candidate_whatever_is_in_it() -> None:
    assert why_not(b"broken.mp4", b"") is None
    assert why_not(b"UPPER.MP4", b"") is None
    assert why_not(b"trailing.mp4 ", b"") is None
    assert decided_by_name(b"film.mkv")


def test_video_contents_make_a_candidate_whatever_the_name() -> None:
    assert why_not(b"no_extension", MP4) is None
    assert why_not(b"mp4_named.txt", MP4) is None
    assert why_not(b"clip.ts", b"\x47" + bytes(187) + b"\x47" + bytes(187) + b"\x47" + bytes(187)) is None


@pytest.mark.parametrize(
    ("name", "head", "reason"),
    [
        (b"notes.txt", b"Dear diary", "not a video by its name nor by its first bytes"),
        (b"photo.jpg", b"\xff\xd8\xff\xe0", "a still picture by its name"),
        (b"song.m4a", MP4, "a sound file by its name"),
        (b"list.m3u8", b"#EXTM3U\n", "a playlist: what it names is never opened"),
        (b"program.ts", b"export const x = 1;\n", "text, not the video that .ts may be"),
        (b"photo", b"\0\0\0\x20ftypheic" + bytes(20), "not a video by its name nor by its first bytes"),
        (b"", b"", "not a video by its name nor by its first bytes"),
    ],
)
def test_everything_else_is_ignored_with_its_reason(name: bytes, head: bytes, reason: str) -> None:
    assert why_not(name, head) == reason


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        (".mp4", "libx264", "yuv420p"),
        (".mkv", "libx264", "yuv420p"),
        (".avi", "mpeg4", "yuv420p"),
        (".flv", "flv", "yuv420p"),
        (".ts", "libx264", "yuv420p"),
        (".mpg", "mpeg2video", "yuv420p"),
        (".gif", "gif", "pal8"),
        (".apng", "apng", "rgb24"),
        (".h264", "libx264", "yuv420p"),
        (".m4v", "mpeg4", "yuv420p"),
        (".wmv", "wmv2", "yuv420p"),
        (".mxf", "mpeg2video", "yuv420p"),
        (".y4m", "wrapped_avframe", "yuv420p"),
    ],
)
def test_real_videos_are_recognised_by_their_first_bytes(tmp_path: Path, suffix: str, codec: str, pixels: str) -> None:
    path = tmp_path / f"video{suffix}"
    if pixels == "pal8":
        pixels = "rgb8"
    videos.write_stream(path, videos.scene_frames(1, 8, archives.SMALL), codec=codec, pixel_format=pixels)
    assert why_not(b"unnamed", path.read_bytes()[:SNIFFED_BYTES]) is None


def test_hidden_files_have_no_suffix_but_a_name() -> None:
    assert suffix_of(b".mp4") == ""
    assert suffix_of(b".hidden.mp4") == "mp4"
    assert suffix_of(b"not\xff\xfeutf8\x80.mp4") == "mp4"


def test_text_may_be_cut_inside_a_character() -> None:
    assert looks_like_text("naïve café ".encode() * 100 + b"\xc3")
    assert not looks_like_text(b"abc\xff\xfe more")
    assert not looks_like_text(b"")
