"""Composition root: settings in, everything that a process needs out.  The only place that knows what is concrete."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg.conninfo import make_conninfo

from domain.kernel.actor import Actor
from domain.kernel.command import Context
from domain.kernel.errors import DomainError
from infrastructure.attempts import Attempts
from infrastructure.auth import Authenticator, Tokens
from infrastructure.clock import UtcClock, new_id
from infrastructure.command_bus import CommandBus
from infrastructure.event_store.appender import Appender
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.log import EventLog, Pool, PostgresLog
from infrastructure.event_store.metadata import MetadataWriter
from infrastructure.event_store.store import AggregateStore
from infrastructure.hints import Hints
from infrastructure.history import History
from infrastructure.http.addresses import Networks, networks
from infrastructure.http.call import Call
from infrastructure.http.consistency import ConsistentReader
from infrastructure.http.limiting import Limiter
from infrastructure.http.paging import Cursors
from infrastructure.live import Live
from infrastructure.passwords import HashedPasswords
from infrastructure.postgres import as_application, connecting, pool
from infrastructure.reading import ReadPipeline
from infrastructure.rights import Rights
from infrastructure.secrets import SystemSecrets, derived_key
from infrastructure.settings import Settings
from infrastructure.signing_store import KeyReader
from infrastructure.standby import Server, Standby, Waiting
from infrastructure.telemetry import Metrics

ISSUER = "trialog"
QUICK_READ_SECONDS = 1.0  # what takes longer is no quick read: it goes on by itself


@dataclass(frozen=True, slots=True)
class Watched:
    """How the read models are, the jobs on them that are not done (with the members of the contract, section 10), and reactions."""

    projections: list[dict[str, Any]]
    rebuilds: list[dict[str, Any]]
    reactions: dict[str, Any]


@dataclass(slots=True)
class Services:
    """What routes and the edge work with."""

    settings: Settings
    clock: UtcClock
    metrics: Metrics
    log: EventLog
    store: AggregateStore
    keyring: Keyring
    rights: Rights
    authenticator: Authenticator
    limiter: Limiter
    pool: Pool
    trusted_proxies: Networks
    passwords: HashedPasswords
    secrets: SystemSecrets
    cursors: Cursors
    history: History
    bus: CommandBus | None = None
    live: Live | None = None
    reader: ConsistentReader | None = None
    appender: Appender | None = None
    refused: Callable[[Call, DomainError], Awaitable[None]] | None = None  # how a refusal is remembered
    watched: Callable[[], Awaitable[Watched]] | None = None  # the read models' state, where they are known
    attempts: Attempts | None = None  # at passwords

    def context(
        self, actor: Actor, *, request_id: str = "", reason: str | None = None, user_agent: str = "", traceparent: str | None = None
    ) -> Context:
        """The circumstances of a command: the clock is read here, once."""
        return Context(
            actor=actor, now=self.clock.now(), new_id=new_id, passwords=self.passwords, secrets=self.secrets, request_id=request_id,
            reason=reason, traceparent=traceparent, user_agent=user_agent,
        )  # fmt: skip


class MakeWaiter(Protocol):
    """Of a server's URL: what wakes when its read models move on."""

    def __call__(self, url: str, *, standby: bool = False) -> AbstractAsyncContextManager[Waiting]: ...


class NoAppends:
    """Stands where a process never writes."""

    async def append(self, append: object) -> None:
        """Errors: always."""
        raise RuntimeError("this process reads only")


@asynccontextmanager
async def command_services(settings: Settings, waiter: MakeWaiter, metrics: Metrics | None = None) -> AsyncIterator[Services]:
    """Everything a command process needs, started; stopped in reverse order.  It reads where it writes, never on a standby."""
    async with AsyncExitStack() as stack:
        metrics = metrics or Metrics()
        url = settings.needed("database_url")
        connections = pool(
            url,
            size=settings.write_pool_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            read_only=False,
            name="commands",
        )
        await _opened(stack, connections)
        appender = Appender(make_conninfo("", **as_application(url)), queue_limit=settings.append_queue_limit, observe=metrics.batch)
        await appender.start()
        stack.push_async_callback(appender.stop)
        hints = await stack.enter_async_context(Hints(settings.redis_url)) if has_standby(settings) else None
        log = PostgresLog(appender, connections, None if hints is None else hints.wrote)
        services = await _services(stack, settings, metrics, connections, log, url, writes=True)
        services.appender = appender
        services.attempts = Attempts(settings.redis_url, enabled=settings.rate_limit_enabled or settings.environment == "production")
        stack.push_async_callback(services.attempts.stop)
        metrics.append_waiting.set_function(lambda: appender.waiting_count)
        metadata = MetadataWriter(services.keyring)
        services.bus = CommandBus(services.store, metadata, observe=metrics.command, publish=services.rights.observe)
        # Commands look for candidates now and then: a pipeline that is not started sends them to the pool.
        primary = await _server(stack, "primary", connections, url, waiter, ReadPipeline({}))
        services.reader = ConsistentReader(primary, services.rights, timeout_seconds=settings.consistency_timeout_seconds)
        yield services
        await services.store.drain()


@asynccontextmanager
async def query_services(settings: Settings, waiter: MakeWaiter, metrics: Metrics | None = None) -> AsyncIterator[Services]:
    """Everything a query process needs, on read-only connections.

    The log itself, rights and keys are read from the primary, for their newest end is asked for; read models from the standby, if
    there is one.
    """
    async with AsyncExitStack() as stack:
        url = settings.needed("database_url")
        connections = await _reading_pool(stack, settings, url, "queries")
        metrics = metrics or Metrics()
        log = PostgresLog(NoAppends(), connections)  # type: ignore[arg-type]
        services = await _services(stack, settings, metrics, connections, log, url, writes=False)
        primary = await _server(stack, "primary", connections, url, waiter, await _pipeline(stack, url))
        standby = await _standby(stack, settings, connections, waiter) if has_standby(settings) else None
        if standby is not None:
            metrics.standby_behind.set_function(lambda: standby.behind_seconds)
        services.reader = ConsistentReader(
            primary, services.rights, timeout_seconds=settings.consistency_timeout_seconds, standby=standby, count=metrics.query
        )
        services.live = Live(log, services.store, make_conninfo("", **as_application(url)), services.rights.log_reached)
        stack.push_async_callback(services.live.stop)
        yield services


def has_standby(settings: Settings) -> bool:
    """Whether queries have a server of their own."""
    return settings.query_database_url not in (None, settings.database_url)


async def _standby(stack: AsyncExitStack, settings: Settings, primary: Pool, waiter: MakeWaiter) -> Standby:
    url = settings.needed("query_database_url")
    connections = await _reading_pool(stack, settings, url, "standby-queries", wait=False)
    server = await _server(stack, "standby", connections, url, waiter, await _pipeline(stack, url))
    return await stack.enter_async_context(Standby(server, primary, await stack.enter_async_context(Hints(settings.redis_url))))


async def _reading_pool(stack: AsyncExitStack, settings: Settings, url: str, name: str, *, wait: bool = True) -> Pool:
    limit = settings.statement_timeout_seconds
    connections = pool(url, size=settings.read_pool_size, statement_timeout_seconds=limit, read_only=True, name=name)
    await _opened(stack, connections, wait=wait)
    return connections


async def _pipeline(stack: AsyncExitStack, url: str) -> ReadPipeline:
    pipeline = ReadPipeline(connecting(url, statement_timeout_seconds=QUICK_READ_SECONDS, read_only=True, name="pipeline"))
    await pipeline.start()
    stack.push_async_callback(pipeline.stop)
    return pipeline


async def _opened(stack: AsyncExitStack, connections: Pool, *, wait: bool = True) -> None:
    await connections.open(wait=wait, timeout=30)
    stack.push_async_callback(connections.close)


async def _server(stack: AsyncExitStack, name: str, connections: Pool, url: str, waiter: MakeWaiter, pipeline: ReadPipeline) -> Server:
    made = waiter(make_conninfo("", **as_application(url)), standby=name == "standby")
    return Server(name, connections, pipeline, await stack.enter_async_context(made))


async def _services(
    stack: AsyncExitStack, settings: Settings, metrics: Metrics, connections: Pool, log: EventLog, url: str, *, writes: bool
) -> Services:
    master = settings.master_key_bytes
    keyring = Keyring(connections, master)
    store = AggregateStore(log, keyring)
    clock = UtcClock()
    lifetime_seconds = settings.access_token_expire_minutes * 60
    rights = Rights(store, log, make_conninfo("", **as_application(url)), token_seconds=lifetime_seconds)
    await rights.start()
    stack.push_async_callback(rights.stop)
    secret = hashlib.sha256(settings.needed("secret_key").encode()).digest()
    signing = KeyReader(connections, secret, settings.jwt_algorithm)
    await signing.start(create=writes)
    stack.push_async_callback(signing.stop)
    tokens = Tokens(signing.keys, issuer=ISSUER, lifetime_seconds=lifetime_seconds, clock=clock)
    limiter = Limiter(
        settings.redis_url, enabled=settings.rate_limit_enabled, per_account=settings.rate_limit_per_minute,
        on_auth=settings.auth_rate_limit_per_minute,
    )  # fmt: skip
    await limiter.start()
    stack.push_async_callback(limiter.stop)
    passwords = HashedPasswords(settings.password_hasher, fast=settings.environment == "testing")
    stack.callback(passwords.close)
    return Services(
        settings=settings, clock=clock, metrics=metrics, log=log, store=store, keyring=keyring, rights=rights,
        authenticator=Authenticator(tokens, rights, limiter), limiter=limiter,
        pool=connections, trusted_proxies=networks(settings.trusted_proxies),
        passwords=passwords, secrets=SystemSecrets(master), cursors=Cursors(derived_key(secret, "cursors")),
        history=History(connections, store),
    )  # fmt: skip
