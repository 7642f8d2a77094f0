"""${message}.

To run: before the code that needs it.
"""

from infrastructure.migrations.sql_files import run_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("${up_revision}_upgrade.sql")


def downgrade() -> None:
    run_sql("${up_revision}_downgrade.sql")
