"""A next revision that fails half-way, or leaves rows without what they belong to: for tests alone."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE video SET revision = 99")
    op.execute("DELETE FROM volume")
