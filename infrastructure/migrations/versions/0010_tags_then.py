"""Tags as they were called at some time.  Runs before the code that needs it.

Revision ID: 0010
Revises: 0006
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0010_tags_then.sql")


def downgrade() -> None:
    op.execute("DROP INDEX log.events_tags")
