"""Searching a library: what all queries of one search share, and how one query becomes its hits.

`vsearch.library.Library.search` is the way in. Heavy modules are imported when the first query needs them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import ClipRecord, Timeline
from vsearch.db.store import Store
from vsearch.errors import InputError, LatentError, MediaError, VsearchError
from vsearch.indexer.candidates import A_PICTURE
from vsearch.indexer.scan import scan
from vsearch.models.shelf import ModelShelf
from vsearch.records import FRAME_NUMBER_BITS, Clip, Hit, Segment, display_path, path_b64
from vsearch.request import HITS, RECURRING_VIDEOS, Examples, SearchRequest, VideoFilter

if TYPE_CHECKING:
    from vsearch.latents import StoredPictures
    from vsearch.media.isolated import DecodeProcess
    from vsearch.models.base import EmbeddingHead, LatentCodec
    from vsearch.render.frames import Footage
    from vsearch.search.ann.base import AnnIndex
    from vsearch.search.asking import Question
    from vsearch.search.calibration import Calibration, Judge
    from vsearch.search.engine import Places, SearchSettings
    from vsearch.search.explaining import Comparison
    from vsearch.search.gallery import Gallery, Track
    from vsearch.search.kept_groups import GroupedClips
    from vsearch.search.looking import Looker, Shown
    from vsearch.search.queries.base import QueryFrames
    from vsearch.search.queries.stored import StoredName
    from vsearch.search.rank import Match


_log = logging.getLogger(__name__)

Query = Path | str | Examples

LOOKS = 8  # matches of a query whose pictures are compared, at most
FIRST_LOOKS = 4  # the same before it is seen otherwise
PLACES = 3  # of a video that are looked at where the likeliest is doubtful
LOOKS_AT_ALL = 64  # where all above a score are asked for
WORTH_A_LOOK = 0.03  # the probability from which on pictures may change the answer
WORTH_ANOTHER = 0.1  # the same once one match is beyond doubt
LIKELY = 0.5  # the probability from which on a match is looked at while others are sought
SURELY_ABOVE = 0.1  # by so much above the floor of a head that was not calibrated nothing is doubtful
NEVER_RIGHT_BELOW = 0.3  # a similarity that no calibration makes probable


class Least(NamedTuple):
    """What hits have at least. looked: the score of those whose pictures were compared."""

    similarity: float
    score: float
    looked: float

    def of(self, segment: Segment) -> float:
        """The score that a segment has at least."""
        return self.score if segment.details is None else self.looked


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one query: its hits, best first, or why it could not be read.

    `query` is its display form; `query_b64` its bytes where that form is not exact. `head`: the model whose embeddings
    were compared (None: the library has none yet); `generation`: of the library, when the search began. `blank`:
    whether nothing in the query could be compared (black, flat or test pictures).
    """

    query: str
    hits: tuple[Hit, ...]
    error: str | None = None
    error_code: str | None = None
    score_kind: str = "uncalibrated"
    query_b64: str | None = None
    head: str | None = None
    generation: int | None = None
    blank: bool = False


@contextmanager
def search_session(store: Store, shelf: ModelShelf, cache: Path, request: SearchRequest) -> Iterator[SearchSession]:
    """A search of a library, with a decoding process of its own. cache: the folder of its index files."""
    from vsearch.media.isolated import DecodeProcess

    with DecodeProcess(request.read) as decoder:
        yield SearchSession(store, shelf, cache, request, decoder)


class SearchSession:
    """A search under way: what all its queries share, made when the first one needs it."""

    def __init__(
        self, store: Store, shelf: ModelShelf, cache: Path, request: SearchRequest, decoder: DecodeProcess
    ) -> None:
        self._store, self._shelf, self._cache = store, shelf, cache
        self._request, self._decoder = request, decoder
        self._meta = store.meta()
        self._pictures_of = self._meta.generation

    @property
    def _head_id(self) -> str:
        return _active(self._meta.active_head)

    @cached_property
    def _codec(self) -> LatentCodec:
        return self._shelf.codec(_active(self._meta.active_codec), device=self._request.device)

    @cached_property
    def _head(self) -> EmbeddingHead:
        return self._shelf.head(self._head_id, device=self._request.device)

    def _models(self) -> tuple[LatentCodec, EmbeddingHead]:
        """Both, once all else that a search takes is there: they may be loading elsewhere meanwhile."""
        from vsearch.search import engine, looking, rank  # noqa: F401

        _ = self._index, self._settings
        return self._codec, self._head

    @cached_property
    def _gallery(self) -> Gallery:
        from vsearch.search.gallery import Gallery

        return Gallery(self._store, self._head_id)

    @cached_property
    def _index(self) -> AnnIndex:
        from vsearch.search.cache import open_index

        request = self._request
        return open_index(
            self._gallery,
            self._cache,
            d=self._store.dimensions(self._head_id) or self._head.d,
            device=request.device,
            memory_bytes=request.index_memory_bytes,
        )

    @cached_property
    def _floor(self) -> float:
        """The similarity below which unrelated videos lie, as measured for the head."""
        from vsearch.search.engine import DEFAULT_MIN_SIMILARITY

        return float(self._shelf.files(self._head_id).search.get("floor", DEFAULT_MIN_SIMILARITY))

    def answers(self, query: Query) -> Iterator[tuple[SearchResult, Question | None]]:
        """The answer to a query and what was asked with (None: not one picture or video); of a folder, each file's.

        Raises UnavailableError without FAISS.
        """
        if isinstance(query, Examples):
            yield self._answer(_named(query), partial(self._find_like, query))
            return
        name = os.fsdecode(query)
        if not Path(name).is_dir():
            yield self._answer(name, partial(self._find_one, name))
            return
        try:
            files, unreadable = _files_in(os.fsencode(name))
        except InputError as error:
            yield self._refused(name, error)
            return
        for path, reason in unreadable:
            yield self._refused(path, InputError(f"{path}: {reason}"))
        for file in files:
            yield self._answer(file, partial(self._find_one, file))

    def _answer(
        self, name: str, find: Callable[[], tuple[tuple[Hit, ...], Question | None]]
    ) -> tuple[SearchResult, Question | None]:
        self._follow()
        try:
            _ = self._clips  # refused before anything is read
            hits, question = find()
            if self._store.meta().active_head != self._meta.active_head:
                raise InputError("the library was embedded again while it was searched: ask once more")
        except (InputError, MediaError, LatentError) as error:
            return self._refused(name, error)
        blank = question is not None and not question.frames.weights.any()
        return replace(self._result(name, hits), blank=blank), question

    def _follow(self) -> None:
        """Search with the head that the library uses now, and in its pictures of now: another process may have embedded
        it or a video again.
        """
        meta = self._store.meta()
        if meta.generation != self._pictures_of:
            self._pictures_of = meta.generation
            self.__dict__.pop("_pictures", None)
        if meta.active_head != self._meta.active_head:
            self._meta = meta
            for name, value in vars(type(self)).items():
                if isinstance(value, cached_property):
                    self.__dict__.pop(name, None)

    def _refused(self, name: str, error: VsearchError) -> tuple[SearchResult, None]:
        return self._result(name, (), error), None

    def _result(self, name: str, hits: tuple[Hit, ...], error: VsearchError | None = None) -> SearchResult:
        path = os.fsencode(name)
        return SearchResult(
            display_path(path),
            hits,
            error=None if error is None else str(error),
            error_code=None if error is None else error.code,
            query_b64=path_b64(path),
            # a refused query needs no head, and none is loaded for it
            score_kind=self._score_kind if error is None else "uncalibrated",
            head=self._meta.active_head,
            generation=self._meta.generation,
        )

    # ------------------------------------------------------------------------------------------------- kinds of query

    @property
    def _score_kind(self) -> str:
        return "uncalibrated" if self._meta.active_head is None or self._judge is None else "probability"

    def _find_one(self, name: str) -> tuple[tuple[Hit, ...], Question]:
        """The hits of a file or a stored name. Raises InputError, MediaError, LatentError."""
        question = self.ask(name)
        request = self._request
        k = None if request.group is not None else request.hits
        return self._hits(self._find(question, k=k, per_video=request.places), lambda _: (question, None)), question

    def _find_like(self, examples: Examples) -> tuple[tuple[Hit, ...], Question | None]:
        """The hits of several examples at once: see `vsearch.search.examples`."""
        from vsearch.search.examples import nearest_examples

        request = self._request
        asked = [(os.fsdecode(name), self.ask(os.fsdecode(name))) for name in examples.like]
        against = [self.ask(os.fsdecode(name)) for name in examples.unlike]
        likes = [self._find(question, k=None, per_video=None) for _, question in asked]
        videos = np.array([match.video_id for matches in likes for match in matches], np.int64)
        there = self._frames_of(videos)
        unlikes = [self._find_at(question, there) for question in against]
        places = nearest_examples(likes, unlikes)
        examples_of = {place.match: place.example for place in places}
        k = None if request.group is not None else request.hits
        best = self._best(list(examples_of), k=k, per_video=request.places)

        def origin(match: Match) -> tuple[Question, str]:
            name, question = asked[examples_of[match]]
            return question, display_path(os.fsencode(name))

        return self._hits(best, origin), asked[0][1] if len(asked) == 1 else None

    def ask(self, name: str) -> Question:
        """The frames of a query file, or of something stored. Raises InputError, MediaError, LatentError."""
        from vsearch.search.asking import ask_file
        from vsearch.search.queries.stored import stored_name

        stored = stored_name(name)
        if stored is not None and (stored.forced or not os.path.lexists(name)):
            return self._ask_stored(name, stored)
        path = os.fsencode(Path(name).absolute())
        self._decoder.start()  # while the models are loaded
        return ask_file(path, self._request.read, models=self._models, decoder=self._decoder)

    def _ask_stored(self, name: str, stored: StoredName) -> Question:
        from vsearch.search.asking import ask_frame, ask_stored

        if self._request.region is not None:
            raise InputError(
                f"{name}: a region is cut from a file, not from what is stored: write a frame of it with "
                "`vsearch preview --frames` and ask with that picture"
            )
        clip = None if stored.clip is None else self._store.clip(stored.clip)
        video_id = clip.video_id if clip is not None else self._store.resolve(stored.video or "")
        vectors, low_information = self._store.embeddings_of(video_id, self._head.model_id)
        timeline = self._store.timeline(video_id)
        if len(vectors) != len(timeline.pts):
            raise InputError(f"{name}: its embeddings are of another model than the library searches with")
        if stored.frame_s is not None:
            return ask_frame(timeline, vectors, low_information, stored.frame_s)
        start, end = _range_pts(timeline, clip.clip if clip is not None else None, self._range_of(stored))
        return ask_stored(timeline, vectors, low_information, start_pts=start, end_pts=end)

    def _range_of(self, stored: StoredName) -> tuple[float | None, float | None]:
        """The range that a name carries itself, else the one that is asked for of all queries."""
        if stored.start_s is not None:
            return stored.start_s, stored.end_s
        return self._request.start_s, self._request.end_s

    # -------------------------------------------------------------------------------------------------------- finding

    def _find(self, question: Question, *, k: int | None, per_video: int | None) -> list[Match]:
        """The best matches of a query, best first; without `k` all that are similar enough, of the best videos."""
        from vsearch.search.asking import seen_otherwise
        from vsearch.search.engine import CANDIDATES, CANDIDATES_A_HIT, Places
        from vsearch.search.rank import rank

        hits, looker = self._request.hits, self._looker(question)
        places: dict[Match, Places] = {}  # of the query as each match was found with it
        candidates = None if hits is None else max(CANDIDATES, CANDIDATES_A_HIT * hits)

        def looked(matches: list[Match], *, most: int = LOOKS) -> list[Match]:
            best = rank(matches, k=None, min_similarity=self._least.similarity, per_video=per_video)
            return best if looker is None else self._looked(best, looker, places if per_video == 1 else {}, most=most)

        def watch(track: Track, match: Match) -> None:
            if looker is not None and match.segment.score >= LIKELY:
                looker.look_ahead(track, match.segment)

        def seen(frames: QueryFrames) -> list[Match]:
            found = self._seen(frames, per_video=per_video, allowed=self._allowed, candidates=candidates, watch=watch)
            others = Places(frames, self._index, self._judge, self._settings, self._parts)
            places.update(dict.fromkeys(found, others))
            return found

        try:
            matches = looked(seen(question.frames), most=FIRST_LOOKS if self._request.views else LOOKS)
            if self._request.views and not self._is_plain(matches):
                for frames in seen_otherwise(question, codec=self._codec, head=self._head):
                    matches += seen(frames)
                matches = looked(matches)
        finally:
            if looker is not None:
                looker.wait()  # who is asked next uses the same sources of pictures
        return self._best(matches, k=k, per_video=per_video)

    def _best(self, matches: Sequence[Match], *, k: int | None, per_video: int | None) -> list[Match]:
        """Those that reach what hits have at least, best first."""
        from vsearch.search.rank import rank

        good = [match for match in matches if match.segment.score >= self._least.of(match.segment)]
        return rank(good, k=k, min_similarity=self._least.similarity, per_video=per_video)

    def _looked(
        self, matches: Sequence[Match], looker: Looker, places: Mapping[Match, Places], *, most: int = LOOKS
    ) -> list[Match]:
        """The matches, best first as vectors have them; of the likeliest the pictures are compared as well.

        places: of those that may be elsewhere in their video as well.
        """
        most = LOOKS_AT_ALL if self._request.hits is None else most
        new = [match for match in matches if match.segment.details is None and match.segment.score >= WORTH_A_LOOK]
        likely = new[:most]
        tracks = {track.video_id: track for track in self._gallery.tracks(sorted({one.video_id for one in likely}))}
        seen: dict[Match, Match] = {}
        worth = WORTH_A_LOOK
        for match in likely:
            if match.segment.score >= worth and match.video_id in tracks:
                seen[match] = self._look(match, tracks[match.video_id], looker, places.get(match))
                if self._is_plain([seen[match]]):
                    worth = WORTH_ANOTHER
        return [seen.get(match, match) for match in matches]

    def _look(self, match: Match, track: Track, looker: Looker, places: Places | None) -> Match:
        """The match with what its pictures say. Where what moves in them does not agree, other places of the video may
        show the same room at the right moment.
        """
        seen = looker.seen(track, match.segment)
        found = [self._among_clips(track, match.segment, looker.judged(track, match.segment, seen))]
        if places is not None and seen is not None and seen.doubtful:
            for other in places.beside(track, match.segment, most=PLACES):
                if other.score >= WORTH_A_LOOK and other.similarity >= self._least.similarity:
                    found.append(self._among_clips(track, other, looker.at(track, other)))
        compared = [one for one in found if one.details is not None] or found
        return replace(match, segment=max(compared, key=lambda one: one.score))

    def _among_clips(self, track: Track, segment: Segment, seen: Segment) -> Segment:
        """What pictures say of a segment, where they put it; where it was, if that is beyond all that may be found."""
        from vsearch.search.engine import parts_of

        extents = [part.extent_s for part in parts_of(track, self._parts)]
        if any(start_s < seen.end_s and seen.start_s < end_s for start_s, end_s in extents):
            return seen
        return replace(segment, score=seen.score, details=seen.details)

    def _looker(self, question: Question) -> Looker | None:
        """Who compares a query's pictures with stored ones; None where nobody measured what they say."""
        if self._judge is None or self._calibration is None or self._calibration.looks is None:
            return None
        from vsearch.search.looking import Looker

        shown = self._shown(question)
        return None if shown is None else Looker(shown, self._pictures.of, self._calibration.looks)

    def _shown(self, question: Question) -> Shown | None:
        """The pictures of a query, if it has any: its own, or those of the stored video that it is."""
        from vsearch.search.looking import Shown

        if question.pictures is not None:
            frames, rows = question.pictures.frames, question.pictures.rows
            return Shown(question.frames.times_s[rows], lambda some: frames[some])
        if question.video_id is None or question.numbers is None:
            return None
        return Shown.stored(question.frames.times_s, question.video_id, question.numbers, self._pictures.of)

    @cached_property
    def _pictures(self) -> StoredPictures:
        from vsearch.latents import StoredPictures

        return StoredPictures(self._store, self._shelf, device=self._request.device)

    def _find_at(self, question: Question, frames: NDArray[np.int64]) -> list[Match]:
        """Every match of a query, as it is, among these frames (n,), ascending."""
        matches = self._seen(question.frames, per_video=None, allowed=frames, candidates=None)
        looker = self._looker(question)
        found = matches if looker is None else self._looked(matches, looker, {})
        return [match for match in found if match.segment.score >= self._least.of(match.segment)]

    def _seen(
        self,
        frames: QueryFrames,
        *,
        per_video: int | None,
        allowed: NDArray[np.int64] | None,
        candidates: int | None,
        watch: Callable[[Track, Match], None] | None = None,
    ) -> list[Match]:
        """All matches of one view of a query, of the videos that are looked at, as vectors have them."""
        from vsearch.search.engine import find

        return find(
            frames,
            self._gallery,
            self._index,
            k=None,
            per_video=per_video,
            min_similarity=self._least.similarity if per_video is not None else self._least_of_many,
            allowed=allowed,
            parts=self._parts,
            judge=self._judge,
            settings=replace(self._settings, candidates=candidates),
            watch=watch,
        )

    def compare(self, question: Question, video_id: int) -> Comparison:
        """A query beside one video, with at most `k` segments: as it is, or in the view of it that matches best."""
        from vsearch.search.asking import seen_otherwise
        from vsearch.search.engine import discounted
        from vsearch.search.explaining import compare

        track = next(self._gallery.tracks([video_id]), None)
        looker = self._looker(question)
        comparison = partial(
            compare,
            track=track,
            least_similarity=self._least.similarity,
            least_score=self._least.of,
            judge=self._judge,
            look=None if looker is None else looker.at,
            max_segments=self._request.hits or HITS,
            settings=self._settings.align,
        )

        def compared(frames: QueryFrames) -> Comparison:
            return comparison(discounted(frames, self._index, self._settings))

        plain = compared(question.frames)
        if plain.matches or not plain.segments or not self._request.views:
            return plain
        views = [compared(frames) for frames in seen_otherwise(question, codec=self._codec, head=self._head)]
        return max((view for view in views if view.matches), key=lambda view: view.segments[0].score, default=plain)

    @cached_property
    def _settings(self) -> SearchSettings:
        from vsearch.search.engine import Recurrence, SearchSettings
        from vsearch.search.pair import AlignSettings
        from vsearch.search.recurring import recurs_from

        counts_fully = self._request.include_recurring or self._floor <= 0  # nobody measured what strangers reach
        recurrence = None if counts_fully else Recurrence(RECURRING_VIDEOS, recurs_from(self._floor))
        return SearchSettings(align=AlignSettings(reversed_play=self._request.reversed_play), recurrence=recurrence)

    @cached_property
    def _least_of_many(self) -> float:
        """The similarity down to which places are followed where there is no limit to their number."""
        least = self._least.similarity
        return least if self._request.min_similarity is not None else max(least, self._floor)

    def _is_plain(self, matches: Sequence[Match]) -> bool:
        """Whether the query as it is found its material beyond doubt, so that no view of it has to be tried."""
        return any(match.segment.score >= self._sure.of(match.segment) for match in matches)

    @cached_property
    def _sure(self) -> Least:
        """From where on a match is beyond doubt."""
        if self._calibration is None:
            return Least(0.0, *[self._floor + SURELY_ABOVE] * 2)
        return Least(0.0, self._calibration.least("duplicate"), self._calibration.least_looked("duplicate"))

    @cached_property
    def _calibration(self) -> Calibration | None:
        from vsearch.search.calibration import Calibration

        return Calibration.read(self._shelf.files(self._head_id).search)

    @cached_property
    def _judge(self) -> Judge | None:
        """What gives probabilities for scores; None for a head that was not calibrated."""
        from vsearch.search.calibration import Background, Judge

        vectors = self._head.background
        if self._calibration is None or vectors is None:
            return None
        return Judge(self._calibration, Background.of(vectors, self._gallery, self._index.ids()))

    @cached_property
    def _least(self) -> Least:
        """What hits have at least. Raises InputError for a name of a threshold that the head does not know."""
        similarity, threshold = self._request.min_similarity, self._request.threshold
        if self._request.all_above is not None:
            threshold = self._request.all_above
        if self._judge is None or self._calibration is None:
            if isinstance(threshold, str):
                raise InputError(
                    f"the library's head is not calibrated, so nothing is known to be {threshold!r}: "
                    "use --min-similarity, or bring the head of this version with `vsearch reembed`"
                )
            return Least(self._floor if similarity is None else similarity, *[threshold or 0.0] * 2)
        if threshold is None:
            threshold = "similar" if similarity is None else 0.0
        least = self._calibration.least(threshold), self._calibration.least_looked(threshold)
        return Least(NEVER_RIGHT_BELOW if similarity is None else similarity, *least)

    @cached_property
    def _allowed(self) -> NDArray[np.int64] | None:
        """The frames that may be found, ascending; None for all. Raises InputError."""
        if self._request.where == VideoFilter() and self._clips is None:
            return None
        videos = self._store.filtered_ids(self._request.where)
        frames = self._frames_of(np.array(videos, np.int64))
        if len(frames) == 0:
            numbers = ", ".join(map(str, self._request.clusters))
            place = f"the clips of --cluster {numbers}" if videos and numbers else "the library"
            _log.warning("nothing in %s fits the filters: nothing can be found", place)
        return frames

    def _frames_of(self, video_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the ids of these videos' frames that may be found, as far as their clips say, ascending."""
        ids = self._index.ids()
        frames = np.sort(ids[np.isin(ids >> FRAME_NUMBER_BITS, video_ids)])
        return frames if self._clips is None else frames[self._clips.hold(frames)]

    @cached_property
    def _parts(self) -> NDArray[np.int64] | None:
        """All that may be found of videos, as `Track.parts` takes it; None for whole videos. Raises InputError."""
        return None if self._clips is None else self._clips.runs

    @cached_property
    def _clips(self) -> GroupedClips | None:
        """The clips in which anything may be found; None for everywhere. Raises InputError."""
        from vsearch.search.kept_groups import read_groups

        numbers = self._request.clusters
        return read_groups(self._cache, self._meta).only(numbers) if numbers else None

    def footage(self, name: str, question: Question) -> Footage | None:
        """A query file's frames as they can be drawn; None for a stored query."""
        from vsearch.latents import latents_at_hand
        from vsearch.media.sampling import framing
        from vsearch.render.frames import Footage

        reading = question.reading
        if reading is None:
            return None
        read = self._request.read
        return Footage(
            name=name,
            frame_pts=np.asarray(reading.frame_pts, np.int64),
            start_pts=reading.start_pts,
            end_pts=reading.end_pts,
            time_base=reading.info.time_base,
            display_aspect=framing(reading.info, read.preview_pixels, read.region).display_aspect,
            codec=self._codec,
            latents=latents_at_hand(question.latents),
            still=reading.info.still,
        )

    def _hits(
        self, matches: Sequence[Match], origin: Callable[[Match], tuple[Question, str | None]]
    ) -> tuple[Hit, ...]:
        """What was found, with the names and clips that people and programs ask for, grouped where that is asked for.

        origin: which question a match answers, and by which example's name if there are several.
        """
        store = self._store
        paths = store.paths([match.video_id for match in matches])
        timelines = store.timelines([match.video_id for match in matches])
        hits: list[Hit] = []
        groups: list[object] = []
        # Another process may have removed a video since the index was read.
        there = [match for match in matches if paths.get(match.video_id) and match.video_id in timelines]
        among = None if self._clips is None else frozenset(self._clips.clip_ids.tolist())
        # A part ends where its last frame is followed, which may be after its last clip.
        span = _span if among is None else _span_of_frames
        clips = store.clips_at([span(match, timelines[match.video_id]) for match in there], among)
        for rank, (match, clip) in enumerate(zip(there, clips, strict=True), 1):
            segment, path = match.segment, paths[match.video_id][0]
            groups.append(_group_of(match.video_id, clip, self._request.group) or rank)
            question, example = origin(match)
            still = question.frames.still
            hits.append(
                Hit(
                    rank=rank,
                    video_id=match.video_id,
                    video=display_path(path.absolute),
                    video_b64=path_b64(path.absolute),
                    volume=path.sighting.volume_label,
                    online=path.online,
                    clip_id=clip.id if clip is not None else None,
                    start_s=float(segment.start_s),
                    end_s=float(segment.end_s),
                    query_start_s=None if still else float(segment.query_start_s),
                    query_end_s=None if still else float(segment.query_end_s),
                    similarity=min(1.0, float(segment.similarity)),
                    score=float(segment.score),
                    score_kind=self._score_kind,
                    view=match.view,
                    details=segment.details,
                    rate=float(segment.rate),
                    query_coverage=segment.query_coverage,
                    video_coverage=segment.video_coverage,
                    example=example,
                )
            )
        return _grouped(hits, groups)[: self._request.hits]


def _span(match: Match, timeline: Timeline) -> tuple[int, int, int]:
    """What of which video was found, in its ticks."""
    start, end = (round(at / timeline.time_base) for at in (match.segment.start_s, match.segment.end_s))
    return match.video_id, timeline.start_pts + start, timeline.start_pts + end


def _span_of_frames(match: Match, timeline: Timeline) -> tuple[int, int, int]:
    """The same from the sampled frame on that is shown when it begins."""
    video_id, start, end = _span(match, timeline)
    shown = max(0, int(timeline.pts.searchsorted(start, "right")) - 1)
    return video_id, int(timeline.pts[shown]), end


def _group_of(video_id: int, clip: ClipRecord | None, by: str | None) -> object | None:
    """What a hit shares with the others of its group; None when it stands alone."""
    if by == "video":
        return "video", video_id
    if by is None or clip is None:
        return None
    return ("clip", clip.id) if by == "clip" else ("shot", video_id, clip.clip.shot)


def _grouped(hits: Sequence[Hit], groups: Sequence[object]) -> tuple[Hit, ...]:
    """The best hit of each group, ranked anew, with the others of its group beside it. hits: best first."""
    members: dict[object, list[Hit]] = {}
    for hit, group in zip(hits, groups, strict=True):
        members.setdefault(group, []).append(hit)
    return tuple(
        replace(best, rank=rank, others=tuple(replace(hit, rank=rank) for hit in others))
        for rank, (best, *others) in enumerate(members.values(), 1)
    )


def _named(examples: Examples) -> str:
    """Several examples as one name."""
    like, unlike = (", ".join(map(os.fsdecode, names)) for names in (examples.like, examples.unlike))
    return f"like {like}" + (f"; unlike {unlike}" if unlike else "")


def _files_in(folder: bytes) -> tuple[list[str], list[tuple[str, str]]]:
    """The videos and pictures in a folder, named as it is, in the order of their names; and what cannot be read there,
    with reasons. Raises InputError when there is nothing."""
    found = scan([folder])
    pictures = [one.absolute for one in found.ignored if one.reason == A_PICTURE]
    absolute = sorted([*pictures, *(one.absolute for one in found.candidates)])
    if not absolute and not found.unreadable:
        raise InputError(f"{display_path(folder)} holds no video or picture")

    def named(path: bytes) -> str:
        return str(Path(os.fsdecode(folder), os.fsdecode(os.path.relpath(path, found.roots[0]))))

    return [named(path) for path in absolute], [(named(one.absolute), one.reason) for one in found.unreadable]


def _active(model_id: str | None) -> str:
    if model_id is None:
        raise InputError("the library holds no video yet: index some first")
    return model_id


def _range_pts(timeline: Timeline, clip: Clip | None, asked: tuple[float | None, float | None]) -> tuple[int, int]:
    """[start, end) of a stored query: the clip's, or the video's, unless a range is asked for."""
    start, end = (clip.start_pts, clip.end_pts) if clip is not None else (timeline.start_pts, timeline.end_pts)
    if asked[0] is not None:
        start = timeline.start_pts + round(Fraction(asked[0]) / timeline.time_base)
    if asked[1] is not None:
        end = timeline.start_pts + round(Fraction(asked[1]) / timeline.time_base)
    if not ((timeline.pts >= start) & (timeline.pts < end)).any():
        raise InputError(f"v{timeline.video_id} has no stored frame in the range that was asked for")
    return start, end
