"""Personal data: a key for each person, wrapped by the master key; without the key there is nothing to read."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.exceptions import InvalidTag

from domain.kernel.errors import Unavailable
from domain.kernel.text import ERASED
from infrastructure.event_store.keyring import Keyring, WrongMasterKey
from infrastructure.event_store.log import Pool
from infrastructure.postgres import pool
from tests.conftest import Database
from tests.support.proxy import proxied
from tests.support.world import ANN, BOB

MASTER = bytes(range(32))


@pytest.fixture
async def connections(database: Database) -> AsyncIterator[Pool]:
    async with pool(database.app_url, size=3, statement_timeout_seconds=10, read_only=False, name="test") as opened:
        yield opened


@pytest.fixture
async def keyring(connections: Pool) -> Keyring:
    made = Keyring(connections, MASTER)
    await made.ensure([ANN, BOB], create=True)
    return made


def wrapped_keys(database: Database) -> dict[UUID, bytes | None]:
    with psycopg.connect(database.app_url) as connection:
        return dict(connection.execute("SELECT subject_id, wrapped_key FROM log.subject_keys").fetchall())


def destroy_key(database: Database, subject: UUID) -> None:
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.execute("UPDATE log.subject_keys SET wrapped_key = NULL, destroyed_at = now() WHERE subject_id = %s", (subject,))


@pytest.mark.parametrize("text", ["", "ann@example.com", "Ünïcødé 🗝", "\x00" * 3, "x" * 100_000])
async def test_what_is_sealed_opens_again(keyring: Keyring, text: str):
    assert keyring.open(ANN, keyring.seal(ANN, text)) == text


async def test_the_same_text_never_looks_the_same(keyring: Keyring):
    assert len({keyring.seal(ANN, "ann@example.com") for _ in range(100)}) == 100


async def test_a_sealed_value_tells_nothing(keyring: Keyring):
    assert b"ann@example.com" not in base64.b64decode(keyring.seal(ANN, "ann@example.com"))


async def test_one_persons_value_cannot_be_passed_off_as_anothers(keyring: Keyring):
    with pytest.raises(InvalidTag):
        keyring.open(BOB, keyring.seal(ANN, "mine"))


async def test_a_touched_value_is_noticed(keyring: Keyring):
    raw = bytearray(base64.b64decode(keyring.seal(ANN, "mine")))
    for place in (0, 12, len(raw) - 1):
        touched = bytearray(raw)
        touched[place] ^= 1
        with pytest.raises(InvalidTag):
            keyring.open(ANN, base64.b64encode(bytes(touched)).decode())


async def test_another_process_opens_it_with_the_same_master_key(keyring: Keyring, connections: Pool):
    sealed = keyring.seal(ANN, "mine")
    other = Keyring(connections, MASTER)
    await other.ensure([ANN])
    assert other.open(ANN, sealed) == "mine"


async def test_another_master_key_is_refused_not_taken_for_an_erasure(keyring: Keyring, connections: Pool):
    with pytest.raises(WrongMasterKey):
        await Keyring(connections, bytes(32)).ensure([ANN])


async def test_a_wrapped_key_cannot_be_moved_to_another_person(keyring: Keyring, connections: Pool, database: Database):
    keys = wrapped_keys(database)
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.execute("UPDATE log.subject_keys SET wrapped_key = %s WHERE subject_id = %s", (keys[ANN], BOB))
    with pytest.raises(WrongMasterKey):
        await Keyring(connections, MASTER).ensure([BOB])


async def test_keys_are_kept_wrapped_and_each_is_another(keyring: Keyring, database: Database):
    keys = list(wrapped_keys(database).values())
    assert len(set(keys)) == 2
    assert all(key is not None and len(key) == 12 + 32 + 16 for key in keys)


async def test_processes_that_meet_a_person_at_once_agree_on_one_key(connections: Pool):
    rings = [Keyring(connections, MASTER) for _ in range(8)]
    subject = uuid4()
    await asyncio.gather(*(ring.ensure([subject], create=True) for ring in rings))
    for writer in rings:
        sealed = writer.seal(subject, "mine")
        assert {reader.open(subject, sealed) for reader in rings} == {"mine"}


async def test_without_a_key_everything_reads_erased(connections: Pool, keyring: Keyring):
    stranger = uuid4()
    await keyring.ensure([stranger])
    assert keyring.open(stranger, keyring.seal(ANN, "x")) == ERASED
    with pytest.raises(KeyError):
        keyring.seal(stranger, "x")


async def test_a_destroyed_key_is_gone_for_good(connections: Pool, keyring: Keyring, database: Database):
    sealed = keyring.seal(ANN, "mine")
    destroy_key(database, ANN)
    keyring.forget(ANN)
    for ring in (keyring, Keyring(connections, MASTER)):
        await ring.ensure([ANN], create=True)
        assert ring.open(ANN, sealed) == ERASED
        with pytest.raises(KeyError):
            ring.seal(ANN, "again")
    assert wrapped_keys(database)[ANN] is None


async def test_more_people_than_the_cache_holds_are_loaded_again(connections: Pool):
    ring = Keyring(connections, MASTER, capacity=3)
    people = [uuid4() for _ in range(10)]
    sealed = {}
    for person in people:
        await ring.ensure([person], create=True)
        sealed[person] = ring.seal(person, str(person))
    for person in people:
        await ring.ensure([person])
        assert ring.open(person, sealed[person]) == str(person)


async def test_a_connection_lost_in_the_pool_is_no_reason_to_fail(database: Database):
    async with proxied(database.app_url) as proxy, small_pool(proxy.url) as connections:
        ring = Keyring(connections, MASTER)
        await ring.ensure([ANN], create=True)
        await proxy.cut_all()
        await ring.ensure([BOB], create=True)
        assert ring.open(BOB, ring.seal(BOB, "x")) == "x"


async def test_without_a_database_it_says_so(database: Database):
    async with proxied(database.app_url) as proxy, small_pool(proxy.url) as connections:
        ring = Keyring(connections, MASTER)
        await ring.ensure([ANN], create=True)
        proxy.open = False
        await proxy.cut_all()
        with pytest.raises(Unavailable):
            await ring.ensure([BOB], create=True)


def small_pool(url: str) -> Pool:
    made = pool(url, size=1, statement_timeout_seconds=10, read_only=False, name="test")
    made.timeout = 0.5
    return made
