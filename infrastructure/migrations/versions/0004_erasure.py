"""Erasing a person destroys the key of their data in the same transaction.  Runs before the code that needs it.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0004_erasure.sql")


def downgrade() -> None:
    op.execute("DROP INDEX log.events_invitations")
    op.execute("DROP TRIGGER events_erase ON log.events")
    op.execute("DROP FUNCTION log.destroy_key()")
