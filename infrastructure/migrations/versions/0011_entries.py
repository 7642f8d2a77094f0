"""Ids of comments and time entries, found by an index.  Runs before the code that needs it.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0011_entries.sql")


def downgrade() -> None:
    op.execute("DROP INDEX log.events_entries")
