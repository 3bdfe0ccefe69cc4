"""Runs migrations on the connection that `bot.store.schema` passes."""

from alembic import context

from bot.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite can't change a column in any other way
)
context.run_migrations()
