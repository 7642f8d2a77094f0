"""The projector's own connections to Postgres."""

from __future__ import annotations

import psycopg

from infrastructure.postgres import as_application
from projections.reading import Connection

# A leader whose host is gone keeps its locks until the server notices: within about five seconds.
# And a client whose server is gone without a word must notice too, or it would wait for the answer for minutes.
_CLIENT = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3, "tcp_user_timeout": 5000}
_OPTIONS = (
    " -c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2 -c statement_timeout=0 -c synchronous_commit=on"
)


async def connect(url: str) -> Connection:
    """A connection of the projector's, in the application role."""
    parameters = {**_CLIENT, **as_application(url)}
    parameters["options"] += _OPTIONS
    connection: Connection = await psycopg.AsyncConnection.connect(
        "", **parameters, autocommit=True, connect_timeout=5, application_name="trialog-projector"
    )
    return connection
