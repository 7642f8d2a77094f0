"""Bookkeeping of reactions and mails.  Runs before the code that needs it.

Revision ID: 0003
Revises: 0009
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0003"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0003_workers.sql")


def downgrade() -> None:
    op.execute("DROP SCHEMA workers CASCADE")
