"""What Alembic runs for each command; infrastructure.migrations.runner is the way in and hands over the connection."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
