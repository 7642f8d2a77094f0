"""Bookkeeping of the read models.  Runs before the code that needs it.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0002_projections.sql")


def downgrade() -> None:
    # Read models are disposable: whoever goes back builds them again.
    op.execute("DROP SCHEMA projections, read_models CASCADE")
    op.execute("CREATE SCHEMA read_models")
    op.execute("CREATE SCHEMA projections")
    op.execute("GRANT USAGE, CREATE ON SCHEMA read_models, projections TO trialog_app")
