"""Run by Alembic: revisions are applied on the connection, and in the transaction, that `vsearch.db.migrate` holds."""

from alembic import context

from vsearch.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
