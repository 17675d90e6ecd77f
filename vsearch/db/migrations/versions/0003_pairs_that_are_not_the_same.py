"""Pairs of videos that a person marked as not the same, by their contents."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "not_same",
        sa.Column("first_hash", sa.LargeBinary(), nullable=False),
        sa.Column("second_hash", sa.LargeBinary(), nullable=False),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("first_hash < second_hash", name=op.f("ck_not_same_ordered")),
        sa.PrimaryKeyConstraint("first_hash", "second_hash", name=op.f("pk_not_same")),
        sqlite_with_rowid=False,
    )
