"""A next revision, for tests alone: rebuilds a table, adds a column, and marks that it ran."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("video", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.add_column(sa.Column("language", sa.Text(), server_default="und", nullable=False))
        batch.alter_column("reader", existing_type=sa.Text(), new_column_name="read_with")
    op.execute("UPDATE video SET language = 'deu'")
