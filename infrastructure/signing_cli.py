"""`trialog keys ...`: the keys of access tokens.  Logs in as the owner role (MIGRATION_DATABASE_URL)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import typer

from domain.kernel.aggregate import kinds
from infrastructure import signing_store as store
from infrastructure.acts import APPEND, batch_of
from infrastructure.cli_support import AsJson, fail, loaded, needed, new_app, show
from infrastructure.discovery import import_room
from infrastructure.settings import Settings

SLACK_SECONDS = 60.0  # beyond the life of the last token that an old key signed
Reason = Annotated[str | None, typer.Option(help="Why; it is kept with the event.")]

app = new_app("Keys that access tokens are signed with (JWT_ALGORITHM).  Running processes follow within a second.")


@app.command("list", epilog="Example: trialog keys list --json")
def list_keys(*, as_json: AsJson = False) -> None:
    """Every key, and what it does: signs, waits, verifies, retired, or unused (of another algorithm or SECRET_KEY)."""
    settings = loaded(strict=False)
    with _connected(settings) as connection:
        rows, keys, moment = store.listed(connection, _secret(settings), settings.jwt_algorithm)
    now = moment.timestamp()
    signing = keys.signing(now).key_id if keys.living(now) else None
    known = {row.key_id: row for row in rows}
    shown = []
    for key_id in [*known, *(key.key_id for key in keys.living(now) if key.key_id not in known)]:
        row = known.get(key_id)
        shown.append(
            {
                "key": key_id, "algorithm": row.algorithm if row else settings.jwt_algorithm,
                "state": _state(row, living=keys.verifying(key_id, now) is not None, signs=key_id == signing, now=now),
                "created_at": row.created_at if row else None, "signs_from": row.signs_from if row else None,
                "retires_at": row.retires_at if row else None,
            }
        )  # fmt: skip
    show(shown, as_json=as_json)


@app.command(epilog="Example: trialog keys rotate --overlap 0   (a key has leaked: its tokens end at once)")
def rotate(
    *,
    overlap: Annotated[
        float | None, typer.Option(min=0, help="Seconds that older keys still verify; by default as long as a token lives.")
    ] = None,
    reason: Reason = None,
) -> None:
    """Make a new key that signs from now on; tokens of older ones stay good for the overlap.  The audit log tells it."""
    settings = loaded(strict=False)
    seconds = settings.access_token_expire_minutes * 60 + store.LEAD_SECONDS + SLACK_SECONDS if overlap is None else overlap
    with _connected(settings) as connection, connection.transaction():
        key_id = store.rotate(connection, _secret(settings), settings.jwt_algorithm, overlap_seconds=seconds)
        _remember(connection, "rotate", key_id, reason)
    typer.echo(f"{key_id} signs in a moment; older keys verify for {seconds:.0f} seconds more")


@app.command(epilog="Example: trialog keys retire Hk2m9sTqPz1x")
def retire(key: Annotated[str, typer.Argument(help="Its name, as `list` shows it.")], *, reason: Reason = None) -> None:
    """End an older key before its time: tokens that it signed are refused within a second.  The audit log tells it."""
    settings = loaded(strict=False)
    with _connected(settings) as connection, connection.transaction():
        try:
            store.retire(connection, _secret(settings), settings.jwt_algorithm, key)
        except store.KeyRefused as error:
            raise fail(str(error)) from None
        _remember(connection, "retire", key, reason)
    typer.echo(f"{key} is retired")


def _remember(connection: psycopg.Connection[Any], act: str, key_id: str, reason: str | None) -> None:
    """Whatever becomes of the transaction becomes of its event."""
    import_room("domain.aggregates")
    operations: Any = kinds()["operation"]
    connection.execute(APPEND, batch_of(operations.request(act, "signing key", key_id), reason))


def _state(row: store.KeyRow | None, *, living: bool, signs: bool, now: float) -> str:
    if signs:
        return "signs"
    if living:
        return "waits" if row is not None and row.signs_from.timestamp() > now else "verifies"
    return "retired" if row is not None and row.retires_at is not None and row.retires_at.timestamp() <= now else "unused"


def _secret(settings: Settings) -> bytes:
    return hashlib.sha256(needed(settings, "SECRET_KEY").encode()).digest()


@contextmanager
def _connected(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    try:
        with psycopg.connect(needed(settings, "MIGRATION_DATABASE_URL"), autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as error:
        raise fail(str(error).strip()) from None
