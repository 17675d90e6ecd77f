"""What the library holds as JSON-ready objects: the forms that `list` and `info` promise. Pure: records in, dicts
out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from statistics import fmean
from typing import TYPE_CHECKING, Any

from vsearch.config import EFFORTS, QUALITIES
from vsearch.db.records import (
    ClipRecord,
    FailedFile,
    MetaRecord,
    ModelRecord,
    PathRecord,
    TierTotals,
    Timeline,
    Totals,
    VideoRecord,
)
from vsearch.metrics import percentile
from vsearch.records import Shot, display_path, path_b64, seconds

if TYPE_CHECKING:
    from vsearch.comparing import Comparison, DuplicateGroup
    from vsearch.search.duplicates import SharedPair, SharedRange
    from vsearch.search.recurring import Material

FORMAT = 1


def named(key: str, path: bytes) -> dict[str, str]:
    """`key` with the display form of a path, and `key_b64` beside it where that form is not exact."""
    exact = path_b64(path)
    return {key: display_path(path)} | ({f"{key}_b64": exact} if exact is not None else {})


def video_line(video: VideoRecord) -> dict[str, Any]:
    """A video as `list` shows it: its first path stands for all."""
    first = video.paths[0] if video.paths else None
    return {
        "video_id": video.id,
        "volume": first.sighting.volume_label if first else None,
        **(named("path", first.absolute) if first else {"path": None}),
        "paths": len(video.paths),
        "duration_seconds": video.duration_s,
        "size_bytes": video.identity.size_bytes,
        "recorded_at": video.info.facts.recorded_at,
        "state": video.state,
        "online": video.online,
        "pictures": video.has_pictures,
        "reason": video.reason,
    }


def failure_line(failure: FailedFile) -> dict[str, Any]:
    """A file that could not be indexed, as `list` shows it."""
    sighting = failure.sighting
    path = PathRecord(0, sighting, failure.tried_at, online=True)
    return {
        "video_id": None,
        "volume": sighting.volume_label,
        **named("path", path.absolute),
        "paths": 1,
        "duration_seconds": None,
        "size_bytes": sighting.stamp.size_bytes,
        "recorded_at": None,
        "state": "failed",
        "online": None,
        "pictures": None,
        "reason": failure.reason,
        "code": failure.code,
    }


def library_info(
    totals: Totals, tiers: Sequence[TierTotals], meta: MetaRecord, models: Sequence[ModelRecord]
) -> dict[str, Any]:
    """The sums of a library."""
    hours = totals.seconds_of_video / 3600
    stored = totals.bytes_latents + totals.bytes_embeddings
    return {
        "format": FORMAT,
        "uuid": meta.uuid,
        "created_at": _moment(meta.created_at),
        "videos": totals.videos,
        "partial": totals.partial,
        "offline": totals.offline,
        "without_pictures": totals.without_pictures,
        "failed": totals.failed,
        "paths": totals.paths,
        "clips": totals.clips,
        "shots": totals.shots,
        "frames": totals.frames,
        "seconds_of_video": round(totals.seconds_of_video, 3),
        "bytes_latents": totals.bytes_latents,
        "bytes_embeddings": totals.bytes_embeddings,
        "bytes_database": totals.bytes_database,
        "bytes_per_hour": round(totals.bytes_database / hours) if hours else None,
        "bytes_stored_per_hour": round(stored / hours) if hours else None,
        **_mean_fidelity(tiers),
        "tiers": [_tier(tier) for tier in sorted(tiers, key=_rank)],
        "active_codec": meta.active_codec,
        "active_head": meta.active_head,
        "models": [_model(model) for model in models],
    }


def video_info(video: VideoRecord, clips: Sequence[ClipRecord], shots: Sequence[Shot]) -> dict[str, Any]:
    """Everything that is known of a video."""
    info, facts = video.info, video.info.facts
    return {
        "format": FORMAT,
        "video_id": video.id,
        **(named("video", video.paths[0].absolute) if video.paths else {"video": None}),
        "revision": video.revision,
        "state": video.state,
        "reason": video.reason,
        "online": video.online,
        "paths": [_path(path) for path in video.paths],
        "size_bytes": video.identity.size_bytes,
        "blake2b": video.identity.full_hash.hex(),
        "duration_seconds": video.duration_s,
        "start_pts": video.start_pts,
        "end_pts": video.end_pts,
        "time_base": str(info.time_base),
        "container": info.container,
        "codec": info.codec,
        "pixel_format": info.pixel_format,
        "width": info.width,
        "height": info.height,
        "pixel_aspect": str(info.pixel_aspect),
        "display_aspect": str(info.display_aspect),
        "rotation": info.rotation,
        "mirrored": info.mirrored,
        "frame_rate": _ratio(info.frame_rate),
        "color_space": info.color_space,
        "color_range": info.color_range,
        "color_primaries": info.color_primaries,
        "color_transfer": info.color_transfer,
        "hdr": info.hdr,
        "recorded_at": facts.recorded_at,
        "timecode": facts.timecode,
        "timecode_rate": _ratio(facts.timecode_rate),
        "drop_frame": facts.drop_frame,
        "reel": facts.reel,
        "camera": facts.camera,
        "audio_streams": facts.audio_streams,
        "subtitle_streams": facts.subtitle_streams,
        "tags": facts.tags,
        "sampling": video.settings.sampling,
        "fps": str(video.settings.fps),
        "quality": video.settings.quality,
        "effort": video.settings.effort,
        "level": video.settings.level,
        "preview_pixels": video.settings.preview_pixels,
        "reader": video.settings.reader,
        "shot_detector": video.settings.shot_detector,
        "indexed_at": _moment(video.indexed_at),
        "preview_height": video.preview_size[0],
        "preview_width": video.preview_size[1],
        "frames": video.n_frames,
        "shots": len(shots),
        "pictures": video.has_pictures,
        "bytes_latents": video.bytes_latents,
        "bytes_embeddings": video.bytes_embeddings,
        "fidelity": _fidelity(clips, video),
        "clips": [_clip(clip, video) for clip in clips],
    }


def clip_line(record: ClipRecord, video: VideoRecord) -> dict[str, Any]:
    """A clip as `list --worst-clips` shows it."""
    first = video.paths[0] if video.paths else None
    return {
        "clip_id": record.id,
        "video_id": video.id,
        **(named("video", first.absolute) if first else {"video": None}),
        "volume": first.sighting.volume_label if first else None,
        "online": video.online,
        **_span(record, video),
        "psnr_db": record.clip.psnr_db,
        "ssim": record.clip.ssim,
        "quality": video.settings.quality,
        "effort": video.settings.effort,
    }


def clip_group(number: int, clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A group of clips, most central first."""
    return {
        "group": number,
        "size": len(clips),
        "videos": len({clip["video_id"] for clip in clips}),
        "clips": list(clips),
    }


def grouped_clip(
    record: ClipRecord, paths: Mapping[int, Sequence[PathRecord]], timelines: Mapping[int, Timeline]
) -> dict[str, Any]:
    """A clip as a member of a group."""
    timeline, clip = timelines[record.video_id], record.clip
    return {
        "clip_id": record.id,
        "video_id": record.video_id,
        **named("video", paths[record.video_id][0].absolute),
        "start_seconds": seconds(clip.start_pts, timeline.start_pts, timeline.time_base),
        "end_seconds": seconds(clip.end_pts, timeline.start_pts, timeline.time_base),
    }


def duplicates(found: Comparison) -> dict[str, Any]:
    """The groups of a library's duplicates, largest first."""
    return {
        "format": FORMAT,
        "videos": found.compared,
        "threshold": found.threshold,
        "score_kind": found.score_kind,
        "not_same": found.not_same,
        "recurring": len(found.materials),
        "groups": [_duplicate_group(number, group, found.score_kind) for number, group in enumerate(found.groups, 1)],
    }


def _duplicate_group(number: int, group: DuplicateGroup, score_kind: str) -> dict[str, Any]:
    best, *others = group.videos
    return {
        "group": number,
        "size": len(group.videos),
        "best": best.id,
        "reason": group.reason,
        "videos": [_copy(video) for video in (best, *others)],
        "pairs": [_pair(pair, score_kind) for pair in group.pairs],
    }


def _copy(video: VideoRecord) -> dict[str, Any]:
    first = video.paths[0] if video.paths else None
    return {
        "video_id": video.id,
        **(named("video", first.absolute) if first else {"video": None}),
        "volume": first.sighting.volume_label if first else None,
        "online": video.online,
        "state": video.state,
        "duration_seconds": video.duration_s,
        "width": video.info.width,
        "height": video.info.height,
        "size_bytes": video.identity.size_bytes,
        "recorded_at": video.info.facts.recorded_at,
    }


def _pair(pair: SharedPair, score_kind: str) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        "relation": pair.relation,
        "contained": pair.inner,
        "similarity": min(1.0, pair.similarity),
        "score": pair.score,
        "score_kind": score_kind,
        "coverage_a": pair.coverage_a,
        "coverage_b": pair.coverage_b,
        "ranges": [_shared_range(one) for one in pair.ranges],
    }


def _shared_range(one: SharedRange) -> dict[str, Any]:
    return {
        "a_start_seconds": one.a_start_s,
        "a_end_seconds": one.a_end_s,
        "b_start_seconds": one.b_start_s,
        "b_end_seconds": one.b_end_s,
        "rate": one.rate,
        "similarity": min(1.0, one.similarity),
        "score": one.score,
    }


def recurring(found: Comparison, paths: Mapping[int, Sequence[PathRecord]], *, least_videos: int) -> dict[str, Any]:
    """What recurs in a library, with every place where it is."""
    materials = [_material(number, one, paths) for number, one in enumerate(found.materials, 1)]
    return {"format": FORMAT, "videos": found.compared, "least_videos": least_videos, "materials": materials}


def _material(number: int, material: Material, paths: Mapping[int, Sequence[PathRecord]]) -> dict[str, Any]:
    there = [one for one in material.occurrences if paths.get(one.video_id)]  # one may have been removed since
    return {
        "material": number,
        "videos": material.videos,
        "length_seconds": material.length_s,
        "occurrences": [
            {
                "video_id": one.video_id,
                **named("video", paths[one.video_id][0].absolute),
                "start_seconds": one.start_s,
                "end_seconds": one.end_s,
            }
            for one in there
        ],
    }


def _path(path: PathRecord) -> dict[str, Any]:
    return {
        **named("path", path.absolute),
        "volume": path.sighting.volume_label,
        "online": path.online,
        "seen_at": _moment(path.seen_at),
    }


def _rank(tier: TierTotals) -> tuple[int, int]:
    return QUALITIES.index(tier.quality), EFFORTS.index(tier.effort)


def _tier(tier: TierTotals) -> dict[str, Any]:
    hours = tier.seconds_of_video / 3600
    return {
        "quality": tier.quality,
        "effort": tier.effort,
        "videos": tier.videos,
        "frames": tier.frames,
        "seconds_of_video": round(tier.seconds_of_video, 3),
        "bytes_latents": tier.bytes_latents,
        "bytes_latents_per_hour": round(tier.bytes_latents / hours) if hours else None,
        "psnr_db": _rounded(tier.psnr_db, 3),
        "ssim": _rounded(tier.ssim, 5),
    }


def _mean_fidelity(tiers: Sequence[TierTotals]) -> dict[str, float | None]:
    """Means over all clips that were compared with their frames."""
    n = sum(tier.clips_compared for tier in tiers)
    psnr_db = sum((tier.psnr_db or 0.0) * tier.clips_compared for tier in tiers)
    ssim = sum((tier.ssim or 0.0) * tier.clips_compared for tier in tiers)
    return {"psnr_db": round(psnr_db / n, 3) if n else None, "ssim": round(ssim / n, 5) if n else None}


def _fidelity(clips: Sequence[ClipRecord], video: VideoRecord) -> dict[str, Any] | None:
    """How near the pictures of a video are to its sampled frames, over the clips that were compared."""
    compared = [one for one in clips if one.clip.psnr_db is not None]
    psnr_db = [one.clip.psnr_db or 0.0 for one in compared]
    ssim = [one.clip.ssim or 0.0 for one in compared]
    if not compared:
        return None
    worst = min(compared, key=lambda one: one.clip.psnr_db or 0.0)
    return {
        "clips": len(compared),
        "psnr_db": round(fmean(psnr_db), 3),
        "psnr_db_p5": round(percentile(psnr_db, 0.05), 3),
        "ssim": round(fmean(ssim), 5),
        "ssim_p5": round(percentile(ssim, 0.05), 5),
        "worst_clip": {
            "clip_id": worst.id,
            **_span(worst, video),
            "psnr_db": worst.clip.psnr_db,
            "ssim": worst.clip.ssim,
        },
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _span(record: ClipRecord, video: VideoRecord) -> dict[str, float]:
    return {
        "start_seconds": seconds(record.clip.start_pts, video.start_pts, video.info.time_base),
        "end_seconds": seconds(record.clip.end_pts, video.start_pts, video.info.time_base),
    }


def _clip(record: ClipRecord, video: VideoRecord) -> dict[str, Any]:
    clip = record.clip
    return {
        "clip_id": record.id,
        **_span(record, video),
        "shot": clip.shot,
        "low_information": clip.low_information,
        "psnr_db": clip.psnr_db,
        "ssim": clip.ssim,
    }


def _model(model: ModelRecord) -> dict[str, Any]:
    return {"model_id": model.model_id, "kind": model.kind, "codec_id": model.codec_id, "dimensions": model.dimensions}


def _ratio(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


def _moment(unix_s: int) -> str:
    """Seconds since 1970 as ISO 8601, UTC."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
