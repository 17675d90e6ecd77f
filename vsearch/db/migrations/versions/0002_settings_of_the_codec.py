"""How finely, and with what effort, the pictures of a video were stored.

Until now there was one codec, with one quality, one effort and one level.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("video", sa.Column("quality", sa.Text(), server_default="default", nullable=False))
    op.add_column("video", sa.Column("effort", sa.Text(), server_default="default", nullable=False))
    op.add_column("video", sa.Column("level", sa.BigInteger(), server_default="0", nullable=False))
