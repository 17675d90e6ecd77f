"""Frames out of stored chunks: the right ones, in display shape, and no chunk more than needed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.render.footage import PixelCodec, footage_of, moving_picture
from vsearch.errors import InputError, LatentError
from vsearch.latents import chunk_source, latent_source
from vsearch.records import CodedChunk
from vsearch.render.frames import Footage, decode_pictures, display_image, display_size, pick_frames


def footage_at(*pts: int, time_base: Fraction = Fraction(1, 1000)) -> Footage:
    return footage_of(moving_picture(len(pts), height=16, width=16), pts=pts, time_base=time_base)


def test_pictures_are_the_frames_that_were_asked_for() -> None:
    frames = moving_picture(70, height=48, width=64)
    numbers = np.array([0, 31, 32, 69], np.int64)
    pictures = list(decode_pictures(footage_of(frames), numbers))
    assert [picture.number for picture in pictures] == [0, 31, 32, 69]
    assert [picture.time_s for picture in pictures] == [0.0, 31.0, 32.0, 69.0]
    for picture in pictures:
        np.testing.assert_array_equal(np.asarray(picture.image), frames[picture.number].transpose(1, 2, 0))


def test_latents_keep_their_level_when_some_frames_are_picked() -> None:
    latents = replace(PixelCodec().encode(moving_picture(5, height=16, width=16)), level=37)
    (picked,) = latent_source(latents)(np.array([1, 4], np.int64))
    assert (len(picked), picked.level) == (2, 37)


def test_only_the_chunks_that_hold_the_frames_are_unpacked() -> None:
    loaded: list[CodedChunk] = []
    footage = footage_of(moving_picture(100, height=16, width=16), loaded=loaded)
    list(decode_pictures(footage, np.array([33, 40, 97], np.int64)))
    assert [chunk.first_frame for chunk in loaded] == [32, 96]


def test_many_chunks_are_decoded_in_order() -> None:
    frames = moving_picture(700, height=16, width=16)
    pictures = decode_pictures(footage_of(frames), np.arange(700, dtype=np.int64))
    seen = [picture.image.getpixel((0, 0)) for picture in pictures]
    assert seen == [(i % 256, i // 256, 0) for i in range(700)]


def test_a_frame_in_no_chunk_is_a_latent_error() -> None:
    codec = PixelCodec()
    source = chunk_source(lambda numbers: [], codec)
    with pytest.raises(LatentError, match="2 of 2 frames have no stored pictures"):
        list(source(np.array([0, 1], np.int64)))


def test_a_chunk_of_another_length_than_recorded_is_a_latent_error() -> None:
    codec = PixelCodec()
    data = codec.pack(codec.encode(moving_picture(3, height=16, width=16)))
    chunk = CodedChunk(0, 4, 1, codec.codec_id, codec.model_id, data, b"")
    with pytest.raises(LatentError, match="holds 3 frames where 4"):
        list(chunk_source(lambda numbers: [chunk], codec)(np.array([0], np.int64)))


def test_latents_in_memory_give_their_rows() -> None:
    latents = PixelCodec().encode(moving_picture(40, height=16, width=16))
    batches = list(latent_source(latents)(np.arange(3, 40, dtype=np.int64)))
    np.testing.assert_array_equal(np.concatenate([batch.values for batch in batches]), latents.values[3:])


def test_a_range_holds_frames_from_its_start_up_to_but_not_at_its_end() -> None:
    footage = footage_at(500, 1500, 2500, 3500)
    assert pick_frames(footage, start_s=1.0, end_s=3.0).tolist() == [1, 2]


def test_a_range_between_two_frames_shows_the_one_on_screen() -> None:
    footage = footage_at(500, 1500, 2500)
    assert pick_frames(footage, start_s=1.2, end_s=1.4).tolist() == [1]
    assert pick_frames(footage, start_s=2.5).tolist() == [2]


def test_a_point_is_a_range() -> None:
    footage = footage_at(500, 1500, 2500)
    assert pick_frames(footage, start_s=1.0, end_s=1.0).tolist() == [1]


def test_times_printed_in_milliseconds_find_their_frame_again() -> None:
    third = Fraction(1001, 90_000)
    footage = footage_at(*range(0, 900, 90), time_base=third)
    for number in range(10):
        printed = round(footage.time_s(number), 3)
        assert pick_frames(footage, start_s=printed, end_s=printed).tolist() == [number]


@pytest.mark.parametrize(("start_s", "end_s"), [(4.0, None), (100.0, 101.0)])
def test_a_start_after_the_end_of_the_video_is_refused(start_s: float, end_s: float | None) -> None:
    with pytest.raises(InputError, match=r"ends at 3\.000 s"):
        pick_frames(footage_at(500, 1500, 2500), start_s=start_s, end_s=end_s)


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InputError, match="before it starts"):
        pick_frames(footage_at(500, 1500), start_s=1.0, end_s=0.5)


def test_a_step_takes_the_first_frame_of_each_grid_cell() -> None:
    footage = footage_at(0, 400, 1000, 1900, 2000, 5100, 5200)
    assert pick_frames(footage, every_s=1.0).tolist() == [0, 2, 4, 5]
    assert pick_frames(footage, every_s=2.0).tolist() == [0, 4, 5]
    with pytest.raises(InputError, match="above 0"):
        pick_frames(footage, every_s=0.0)


def test_thinning_keeps_the_first_and_the_last_frame() -> None:
    footage = footage_at(*range(0, 100_000, 1000))
    numbers = pick_frames(footage, at_most=7)
    assert len(numbers) == 7
    assert (numbers[0], numbers[-1]) == (0, 99)


@pytest.mark.parametrize(
    ("height", "width", "aspect", "size"),
    [
        (144, 256, Fraction(16, 9), (256, 144)),
        (176, 208, Fraction(16, 9), (208, 117)),
        (256, 144, Fraction(9, 16), (144, 256)),
        (16, 2304, Fraction(200), (2304, 12)),
        (2304, 16, Fraction(1, 200), (12, 2304)),
    ],
)
def test_display_size_has_the_display_aspect(height: int, width: int, aspect: Fraction, size: tuple[int, int]) -> None:
    assert display_size(height, width, aspect) == size


def test_display_image_keeps_pixels_when_the_shape_is_right() -> None:
    frame = moving_picture(1, height=144, width=256)[0]
    np.testing.assert_array_equal(np.asarray(display_image(frame, Fraction(16, 9))), frame.transpose(1, 2, 0))
