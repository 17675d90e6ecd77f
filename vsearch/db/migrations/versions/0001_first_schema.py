"""The first schema: every table.

A revision says what the tables were at its time: it never imports them, and is never changed once released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself in INTEGER columns only


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("format_version", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("removals_from", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active_codec", sa.Text(), nullable=True),
        sa.Column("active_head", sa.Text(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_meta_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meta")),
    )
    op.create_table(
        "model",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("codec_id", sa.BigInteger(), nullable=True),
        sa.Column("dimensions", sa.BigInteger(), nullable=True),
        sa.Column("training", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("model_id", name=op.f("uq_model_model_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "removal",
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("video_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "video_id", name=op.f("pk_removal")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "video",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("indexed_at", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("quick_hash", sa.LargeBinary(), nullable=False),
        sa.Column("full_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("start_pts", sa.BigInteger(), nullable=False),
        sa.Column("end_pts", sa.BigInteger(), nullable=False),
        sa.Column("time_base", sa.Text(), nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("n_shots", sa.Integer(), nullable=False),
        sa.Column("n_clips", sa.Integer(), nullable=False),
        sa.Column("bytes_latents", sa.BigInteger(), nullable=False),
        sa.Column("bytes_embeddings", sa.BigInteger(), nullable=False),
        sa.Column("preview_height", sa.Integer(), nullable=False),
        sa.Column("preview_width", sa.Integer(), nullable=False),
        sa.Column("fps", sa.Text(), nullable=False),
        sa.Column("sampling", sa.Text(), nullable=False),
        sa.Column("clip_s", sa.Text(), nullable=False),
        sa.Column("preview_pixels", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("shot_detector", sa.Text(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("pixel_format", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("pixel_aspect", sa.Text(), nullable=False),
        sa.Column("rotation", sa.SmallInteger(), nullable=False),
        sa.Column("mirrored", sa.Boolean(), nullable=False),
        sa.Column("display_aspect", sa.Text(), nullable=False),
        sa.Column("frame_rate", sa.Text(), nullable=True),
        sa.Column("color_space", sa.Text(), nullable=True),
        sa.Column("color_range", sa.Text(), nullable=True),
        sa.Column("color_primaries", sa.Text(), nullable=True),
        sa.Column("color_transfer", sa.Text(), nullable=True),
        sa.Column("claimed_duration_s", sa.Double(), nullable=True),
        sa.Column("claimed_frames", sa.BigInteger(), nullable=True),
        sa.Column("still", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=True),
        sa.Column("timecode", sa.Text(), nullable=True),
        sa.Column("timecode_rate", sa.Text(), nullable=True),
        sa.Column("drop_frame", sa.Boolean(), nullable=True),
        sa.Column("reel", sa.Text(), nullable=True),
        sa.Column("camera", sa.Text(), nullable=True),
        sa.Column("audio_streams", sa.Integer(), nullable=False),
        sa.Column("subtitle_streams", sa.Integer(), nullable=False),
        sa.Column("frame_times", sa.LargeBinary(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('ok', 'partial')", name=op.f("ck_video_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_video")),
        sa.UniqueConstraint("full_hash", name=op.f("uq_video_full_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "volume",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume")),
        sa.UniqueConstraint("identity", name=op.f("uq_volume_identity")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attempt",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("volume_id", ROW_ID, nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("path_hash", sa.LargeBinary(), nullable=False),
        sa.Column("mount", sa.LargeBinary(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("display", sa.Text(), nullable=True),
        sa.Column("program_version", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_attempt_volume_id_volume")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("path_hash", "volume_id", name=op.f("uq_attempt_path_hash_volume_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "chunk",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("video_id", sa.BigInteger(), nullable=False),
        sa.Column("first_frame", sa.Integer(), nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("format_version", sa.Integer(), nullable=False),
        sa.Column("codec_id", sa.Integer(), nullable=False),
        sa.Column("model_id", ROW_ID, nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_chunk_model_id_model")),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_chunk_video_id_video"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunk")),
        sa.UniqueConstraint("video_id", "first_frame", name=op.f("uq_chunk_video_id_first_frame")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "clip",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("video_id", sa.BigInteger(), nullable=False),
        sa.Column("shot", sa.Integer(), nullable=False),
        sa.Column("start_pts", sa.BigInteger(), nullable=False),
        sa.Column("end_pts", sa.BigInteger(), nullable=False),
        sa.Column("psnr_db", sa.Double(), nullable=True),
        sa.Column("ssim", sa.Double(), nullable=True),
        sa.Column("low_information", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_clip_video_id_video"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clip")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_clip_video_id"), "clip", ["video_id"], unique=False)
    op.create_table(
        "embedding_block",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("video_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", ROW_ID, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("first_frame", sa.Integer(), nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("scale", sa.Double(), nullable=False),
        sa.Column("low_information", sa.LargeBinary(), nullable=True),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_embedding_block_model_id_model")),
        sa.ForeignKeyConstraint(
            ["video_id"], ["video.id"], name=op.f("fk_embedding_block_video_id_video"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding_block")),
        sa.UniqueConstraint(
            "video_id", "model_id", "first_frame", name=op.f("uq_embedding_block_video_id_model_id_first_frame")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_embedding_block_generation"), "embedding_block", ["generation"], unique=False)
    op.create_table(
        "path",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("video_id", sa.BigInteger(), nullable=False),
        sa.Column("volume_id", ROW_ID, nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("path_hash", sa.LargeBinary(), nullable=False),
        sa.Column("mount", sa.LargeBinary(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("display", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_path_video_id_video"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_path_volume_id_volume")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_path")),
        sa.UniqueConstraint("path_hash", "volume_id", name=op.f("uq_path_path_hash_volume_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_path_video_id"), "path", ["video_id"], unique=False)
    op.create_table(
        "shot",
        sa.Column("video_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_pts", sa.BigInteger(), nullable=False),
        sa.Column("end_pts", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("strength", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_shot_video_id_video"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id", "number", name=op.f("pk_shot")),
        sqlite_with_rowid=False,
    )
