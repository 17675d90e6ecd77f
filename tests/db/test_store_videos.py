import hashlib
import sqlite3
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.db.compare import assert_stored
from tests.db.samples import CODEC, FACTS, HEAD, INFO, SETTINGS, chunk, identity, indexed, sighting
from vsearch.db.records import TierTotals
from vsearch.db.store import Store
from vsearch.errors import InputError, LatentError, StoreError
from vsearch.records import Clip, ContainerFacts, EmbeddingBlock, IndexedVideo, IndexSettings, MediaInfo, Shot


def test_a_video_comes_back_as_it_went_in(store: Store) -> None:
    video = indexed("one", n=70)
    video_id = store.add_video(video, sighting())
    assert video_id >= 1
    assert_stored(store, video_id, video)
    record = store.video(video_id)
    assert record.revision == 1
    assert [path.sighting for path in record.paths] == [sighting()]
    assert record.online


def test_a_partial_video_without_pictures_embeddings_or_facts_comes_back(store: Store) -> None:
    bare = replace(INFO, facts=ContainerFacts(), frame_rate=None, color_space=None, claimed_frames=None)
    video = indexed(n=1, info=bare, chunks=(), embeddings=(), state="partial", reason="truncated at 0:01")
    video_id = store.add_video(video, sighting())
    assert_stored(store, video_id, video)
    vectors, marks = store.embeddings_of(video_id, HEAD)
    assert (vectors.shape, marks.shape) == ((0, 0), (0,))


texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20)
fractions = st.fractions(min_value=Fraction(1, 10**6), max_value=10**6)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
facts = st.builds(
    ContainerFacts,
    recorded_at=st.none() | texts,
    timecode=st.none() | texts,
    timecode_rate=st.none() | fractions,
    drop_frame=st.none() | st.booleans(),
    reel=st.none() | texts,
    camera=st.none() | texts,
    audio_streams=st.integers(0, 100),
    subtitle_streams=st.integers(0, 100),
    tags=st.dictionaries(texts, json_values, max_size=4),
)
infos = st.builds(
    MediaInfo,
    container=texts,
    codec=texts,
    pixel_format=texts,
    width=st.integers(1, 1 << 20),
    height=st.integers(1, 1 << 20),
    pixel_aspect=fractions,
    rotation=st.sampled_from([0, 90, 180, 270]),
    mirrored=st.booleans(),
    display_aspect=fractions,
    time_base=fractions,
    frame_rate=st.none() | fractions,
    color_space=st.none() | texts,
    color_range=st.none() | texts,
    color_primaries=st.none() | texts,
    color_transfer=st.none() | texts,
    claimed_duration_s=st.none() | st.floats(allow_nan=False),
    claimed_frames=st.none() | int64,
    still=st.booleans(),
    facts=facts,
)
setting = st.builds(
    IndexSettings,
    fps=fractions,
    sampling=st.sampled_from(["exact", "keyframes"]),
    clip_s=fractions,
    preview_pixels=st.integers(1, 1 << 30),
    reader=texts,
    shot_detector=texts,
    threads=st.integers(1, 512),
    quality=texts,
    effort=texts,
    level=st.integers(0, 48),
)
unit = st.floats(0, 1)


@st.composite
def videos(draw: st.DrawFn) -> IndexedVideo:
    pts = sorted(draw(st.sets(int64, min_size=1, max_size=40)))
    n = len(pts)
    noise = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    heads = draw(st.sets(st.sampled_from(["1" * 64, "2" * 64]), max_size=2))
    size = draw(st.integers(1, 12))
    return IndexedVideo(
        identity=identity(draw(texts), draw(st.integers(0, (1 << 63) - 1))),
        stamp=sighting().stamp,
        info=draw(infos),
        settings=draw(setting),
        start_pts=pts[0],
        end_pts=draw(int64),
        preview_size=(draw(st.integers(16, 4096)), draw(st.integers(16, 4096))),
        frame_pts=np.array(pts, dtype=np.int64),
        shots=tuple(draw(st.lists(st.builds(Shot, int64, int64, st.sampled_from(["cut", "fade"]), unit), max_size=4))),
        clips=tuple(
            sorted(
                draw(
                    st.lists(
                        st.builds(
                            Clip, int64, int64, st.integers(0, 9), st.none() | unit, st.none() | unit, st.booleans()
                        ),
                        max_size=4,
                        unique_by=lambda clip: clip.start_pts,
                    )
                ),
                key=lambda clip: clip.start_pts,
            )
        ),
        chunks=tuple(chunk(at, min(32, n - at), draw(st.binary(max_size=50))) for at in range(0, n, 32)),
        embeddings=tuple(
            EmbeddingBlock(
                head,
                at,
                noise.integers(-128, 128, (min(16, n - at), size), dtype=np.int8),
                draw(st.floats(1e-6, 1e6)),
                noise.random(min(16, n - at)) < draw(unit),
            )
            for head in sorted(heads)
            for at in range(0, n, 16)
        ),
        state=draw(st.sampled_from(["ok", "partial"])),
        reason=draw(st.none() | texts),
    )


@given(video=videos())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_video_comes_back_as_it_went_in(store: Store, video: IndexedVideo) -> None:
    known = store.video_by_full_hash(video.identity.full_hash)
    if known is not None:
        store.remove_videos([known])
    assert_stored(store, store.add_video(video, sighting()), video)


def test_text_that_databases_refuse_is_stored_readably(store: Store) -> None:
    hostile = replace(FACTS, reel="A\0B", camera="x\ud800y", tags={"k\0": "v\ud800", "deep": [{"\udfff": "\0"}]})
    video_id = store.add_video(indexed(info=replace(INFO, facts=hostile), reason="a\0b"), sighting())
    record = store.video(video_id)
    assert record.info.facts.reel == "A\ufffdB"
    assert record.info.facts.camera == "x\\ud800y"
    assert record.info.facts.tags == hostile.tags
    assert record.reason == "a\ufffdb"


def test_numpy_scalars_and_nan_are_stored_as_plain_values(store: Store) -> None:
    clip: Any = Clip(np.int64(3003), np.int64(93003), np.int64(0), np.float32(30.5), float("nan"), np.bool_(True))
    video_id = store.add_video(indexed(clips=(clip,)), sighting())
    assert store.clips(video_id)[0].clip == Clip(3003, 93003, 0, 30.5, None, True)


def test_sums_by_quality_and_effort(store: Store) -> None:
    finer = replace(SETTINGS, quality="high", effort="archive", level=36)
    for name, how in (("one", SETTINGS), ("two", finer), ("three", finer)):
        store.add_video(indexed(name, settings=how), sighting(name.encode()))
    unmeasured = indexed("four", settings=replace(SETTINGS, quality="low"), clips=(Clip(3003, 93003, 0),))
    store.add_video(unmeasured, sighting(b"four"))
    n_bytes = store.video(1).bytes_latents
    assert store.tiers() == [
        TierTotals("default", "default", 1, 17, 17.0, n_bytes, 1, 31.5, 0.91),
        TierTotals("high", "archive", 2, 34, 34.0, 2 * n_bytes, 2, 31.5, 0.91),
        TierTotals("low", "default", 1, 17, 17.0, n_bytes, 0, None, None),
    ]


def test_the_worst_clips_come_first_and_those_not_compared_not_at_all(store: Store) -> None:
    for name, values in (("one", (31.0, 22.0)), ("two", (25.0, None))):
        clips = tuple(Clip(3003 + i, 3004 + i, 0, value, 0.9) for i, value in enumerate(values))
        store.add_video(indexed(name, clips=clips), sighting(name.encode()))
    assert [(one.video_id, one.clip.psnr_db) for one in store.worst_clips(9)] == [(1, 22.0), (2, 25.0), (1, 31.0)]
    assert [one.clip.psnr_db for one in store.worst_clips(1)] == [22.0]
    assert [one.clip.psnr_db for one in store.worst_clips(5, [2, 77])] == [25.0]
    assert store.worst_clips(5, []) == []


def test_an_inode_number_may_use_all_its_64_bits(store: Store) -> None:
    seen = sighting(inode=(1 << 64) - 5)
    store.add_video(indexed(), seen)
    known = store.known_path("uuid-1", seen.path)
    assert known is not None
    assert known.stamp == seen.stamp


def test_the_same_content_is_refused_as_a_new_video(store: Store) -> None:
    first = store.add_video(indexed("one"), sighting(b"a.mp4"))
    with pytest.raises(StoreError, match=f"v{first}"):
        store.add_video(indexed("one"), sighting(b"b.mp4"))
    assert store.video_by_full_hash(identity("one").full_hash) == first
    assert store.video_by_full_hash(identity("two").full_hash) is None
    assert store.known_path("uuid-1", b"b.mp4") is None


def test_a_chunk_with_a_wrong_checksum_is_refused_and_nothing_is_stored(store: Store) -> None:
    wrong = replace(chunk(0, 17, b"latents"), checksum=bytes(16))
    with pytest.raises(LatentError, match="checksum"):
        store.add_video(indexed(chunks=(wrong,)), sighting())
    assert store.video_ids() == []
    assert store.meta().generation == 0
    assert store.known_path("uuid-1", b"a/one.mp4") is None


def test_ids_are_never_reused(store: Store) -> None:
    first = store.add_video(indexed("one"), sighting(b"1"))
    second = store.add_video(indexed("two"), sighting(b"2"))
    clips = {clip.id for one in (first, second) for clip in store.clips(one)}
    assert store.remove_videos([second, first, 999]) == 2
    third = store.add_video(indexed("three"), sighting(b"3"))
    assert third > second > first
    assert min(clip.id for clip in store.clips(third)) > max(clips)


def test_removing_a_video_takes_everything_of_it_out(store: Store) -> None:
    gone = store.add_video(indexed("one"), sighting(b"1"))
    kept = store.add_video(indexed("two"), sighting(b"2"))
    store.remove_videos([gone])
    for missing in (store.video, store.timeline):
        with pytest.raises(InputError, match=f"v{gone}"):
            missing(gone)
    assert store.known_path("uuid-1", b"1") is None
    assert (store.shots(gone), store.clips(gone), store.chunks(gone)) == ((), (), ())
    assert list(store.embedding_blocks(HEAD, video_ids=[gone])) == []
    assert store.video_ids() == [kept]
    assert store.totals().videos == 1


def test_a_changed_file_keeps_its_id_and_gets_a_new_revision(store: Store) -> None:
    video_id = store.add_video(indexed("old", n=40), sighting())
    clips = {clip.id for clip in store.clips(video_id)}
    new = indexed("new", n=9)
    assert store.replace_video(video_id, new, sighting(size_bytes=5)) == video_id
    assert_stored(store, video_id, new)
    record = store.video(video_id)
    assert record.revision == 2
    assert [path.sighting.stamp.size_bytes for path in record.paths] == [5]
    assert store.video_by_full_hash(identity("old").full_hash) is None
    assert not clips & {clip.id for clip in store.clips(video_id)}


def test_old_content_that_another_path_still_holds_stays(store: Store) -> None:
    video_id = store.add_video(indexed("old"), sighting(b"a.mp4"))
    store.add_path(video_id, sighting(b"copy.mp4"))
    store.mark_offline("uuid-1", paths=[b"copy.mp4"])
    new_id = store.replace_video(video_id, indexed("new"), sighting(b"a.mp4"))
    assert new_id != video_id
    assert [path.sighting.path for path in store.video(video_id).paths] == [b"copy.mp4"]
    assert [path.sighting.path for path in store.video(new_id).paths] == [b"a.mp4"]
    assert store.video(video_id).revision == store.video(new_id).revision == 1


def test_a_video_read_again_keeps_its_id_and_all_its_paths(store: Store) -> None:
    video_id = store.add_video(indexed("one", state="partial", reason="cut off"), sighting(b"a.mp4"))
    store.add_path(video_id, sighting(b"b.mp4"))
    again = indexed("one", n=20, settings=replace(SETTINGS, fps=Fraction(2)))
    assert store.replace_video(video_id, again, sighting(b"b.mp4")) == video_id
    assert_stored(store, video_id, again)
    assert {path.sighting.path for path in store.video(video_id).paths} == {b"a.mp4", b"b.mp4"}


def test_replacing_refuses_unknown_videos_and_content_that_another_has(store: Store) -> None:
    one = store.add_video(indexed("one"), sighting(b"1"))
    two = store.add_video(indexed("two"), sighting(b"2"))
    with pytest.raises(InputError, match="v99"):
        store.replace_video(99, indexed("three"), sighting(b"1"))
    with pytest.raises(StoreError, match=f"v{two}"):
        store.replace_video(one, indexed("two"), sighting(b"1"))
    assert_stored(store, one, indexed("one"))


def test_chunks_are_found_by_the_frames_they_hold(store: Store) -> None:
    video_id = store.add_video(indexed(n=100), sighting())
    starts = lambda *frames: [one.first_frame for one in store.chunks(video_id, *frames)]  # noqa: E731
    assert starts() == [0, 32, 64, 96]
    assert starts(31, 32) == [0]
    assert starts(32, 33) == [32]
    assert starts(31, 65) == [0, 32, 64]
    assert starts(99) == [96]
    assert starts(100) == []
    assert starts(5, 5) == [0]


def test_damaged_latents_are_noticed(tmp_path: Path) -> None:
    with Store.open(tmp_path, writable=True, create=True) as store:
        video_id = store.add_video(indexed(n=40), sighting())
    with sqlite3.connect(tmp_path / "library.db") as raw:
        raw.execute("UPDATE chunk SET data = zeroblob(length(data)) WHERE first_frame = 32")
    raw.close()
    with Store.open(tmp_path, writable=False) as store:
        assert len(store.chunks(video_id, 0, 32)) == 1
        with pytest.raises(LatentError, match="frames 32 to 39"):
            store.chunks(video_id)


def test_a_clip_is_found_by_number_and_by_the_largest_overlap(store: Store) -> None:
    clips = (Clip(0, 100, 0), Clip(100, 400, 0), Clip(500, 600, 1))
    video_id = store.add_video(indexed(clips=clips), sighting())
    numbers = [one.id for one in store.clips(video_id)]
    assert store.clip(numbers[1]).clip == clips[1]
    assert store.clip(numbers[1]).video_id == video_id

    def at(start: int, end: int) -> int | None:
        (found,) = store.clips_at([(video_id, start, end)])
        return None if found is None else found.id

    assert at(50, 120) == numbers[0]
    assert at(90, 120) == numbers[1]
    assert at(0, 600) == numbers[1]
    assert at(100, 100) == numbers[1]
    assert at(99, 99) == numbers[0]
    assert at(400, 500) is None
    assert at(450, 450) is None
    assert at(50, 150) == numbers[0]  # a tie goes to the earlier
    several = store.clips_at([(video_id, 0, 600), (video_id + 1, 0, 600), (video_id, 99, 99)])
    assert [one and one.id for one in several] == [numbers[1], None, numbers[0]]
    some = store.clips_at([(video_id, 0, 600), (video_id, 90, 120), (video_id, 0, 90)], {numbers[1], numbers[2]})
    assert [one and one.id for one in some] == [numbers[1], numbers[1], None]
    with pytest.raises(InputError, match="c987"):
        store.clip(987)


def test_all_clips_stand_together_by_video(store: Store) -> None:
    expected = []
    for number in range(4):
        video_id = store.add_video(indexed(str(number)), sighting(str(number).encode()))
        expected += store.clips(video_id)
    assert list(store.all_clips()) == expected


def test_many_timelines_come_at_once(store: Store) -> None:
    ids = [store.add_video(indexed(str(n), n=n), sighting(str(n).encode())) for n in range(1, 8)]
    found = store.timelines([*ids, 12345])
    assert {video_id: len(one.pts) for video_id, one in found.items()} == dict(zip(ids, range(1, 8), strict=True))
    assert found[ids[3]].seconds(2) == 2.0


def test_totals_are_sums(store: Store) -> None:
    assert store.totals().videos == store.totals().seconds_of_video == 0
    store.add_video(indexed("one", n=10), sighting(b"1"))
    two = store.add_video(indexed("two", n=20, state="partial", reason="cut"), sighting(b"2"))
    store.add_path(two, sighting(b"3"))
    store.mark_offline("uuid-1", b"1")
    store.record_attempt(sighting(b"bad"), reason="no video", code="no-video")
    totals = store.totals()
    assert (totals.videos, totals.partial, totals.offline, totals.failed, totals.paths) == (2, 1, 1, 1, 3)
    assert (totals.frames, totals.shots, totals.clips) == (30, 4, 4)
    assert totals.seconds_of_video == pytest.approx(30)
    assert totals.bytes_latents == 30 * 60
    assert totals.bytes_embeddings == 30 * 32
    assert totals.bytes_database > 20_000


def test_models_are_recorded_when_met_and_when_told(store: Store) -> None:
    from vsearch.db.records import ModelRecord

    store.add_video(indexed(d=24), sighting())
    assert store.models() == [ModelRecord(CODEC, "codec", codec_id=7), ModelRecord(HEAD, "head", dimensions=24)]
    store.put_model(ModelRecord(HEAD, "head", dimensions=24, training={"hours": 2.5}))
    store.put_model(ModelRecord("e" * 64, "codec", codec_id=9))
    assert store.models()[1].training == {"hours": 2.5}
    assert store.models()[2].codec_id == 9


def test_runs_are_kept_and_unfinished_ones_are_told(store: Store) -> None:
    first = store.start_run({"paths": ["/a"]}, {"vsearch": "1"})
    second = store.start_run({"paths": ["/b"]}, {})
    store.finish_run(second, {"indexed": 3})
    assert [run.id for run in store.runs()] == [first, second]
    (open_run,) = store.runs(unfinished=True)
    assert (open_run.id, open_run.arguments, open_run.finished_at) == (first, {"paths": ["/a"]}, None)
    assert store.runs()[1].counts == {"indexed": 3}
    with pytest.raises(InputError, match="no run 77"):
        store.finish_run(77, {})


def test_active_models_are_remembered(store: Store) -> None:
    assert (store.meta().active_codec, store.meta().active_head) == (None, None)
    store.set_active(codec=CODEC)
    store.set_active(head=HEAD)
    store.set_active()
    assert (store.meta().active_codec, store.meta().active_head) == (CODEC, HEAD)


def test_checksums_are_blake2b_128_of_the_bytes(store: Store) -> None:
    video_id = store.add_video(indexed(), sighting())
    (one,) = store.chunks(video_id)
    assert one.checksum == hashlib.blake2b(one.data, digest_size=16).digest()
