"""Rebuilds of one stream's rows, and the topics of each generation.  Runs before the code that needs it.

Revision ID: 0009
Revises: 0002
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0009"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0009_engine.sql")


def downgrade() -> None:
    op.execute("ALTER TABLE projections.generations DROP COLUMN topics")
    op.execute("ALTER TABLE projections.jobs DROP COLUMN stream_id")
