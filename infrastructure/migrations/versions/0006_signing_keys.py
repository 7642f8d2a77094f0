"""Keys that access tokens are signed with.  Runs before the code that needs it.

Revision ID: 0006
Revises: 0004
"""

from alembic import op

from infrastructure.migrations.sql_files import run_sql

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("0006_signing_keys.sql")


def downgrade() -> None:
    # Everybody refreshes their access token once; the older code signs with the key that follows from SECRET_KEY.
    op.execute("DROP TABLE log.signing_keys")
