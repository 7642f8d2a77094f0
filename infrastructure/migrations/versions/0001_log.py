"""The log, its append function and the rights of the application role.  Runs before the code that needs it.

Revision ID: 0001
Revises:
"""

from infrastructure.migrations.sql_files import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0001_log.sql", "0001_rights.sql", "append.sql")


def downgrade() -> None:
    raise RuntimeError("the log is never taken down by a migration: dropping history is not a schema change")
