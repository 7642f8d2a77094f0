"""The command bus: receipt, policy, reason, If-Match, handler, append, retry.  The only caller of policies and handlers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import orjson
import structlog
from eventsourcing.domain import AggregateEvent

from domain.kernel import registry
from domain.kernel.actor import Actor
from domain.kernel.aggregate import Root, kinds
from domain.kernel.command import Command, Context, Decision, IdempotencyKey
from domain.kernel.errors import Conflict, DomainError, NotFound, ReasonRequired, Stale
from infrastructure.batches import EachPart, as_decision
from infrastructure.clock import new_id
from infrastructure.event_store.metadata import MetadataWriter
from infrastructure.event_store.records import Append, KeptReceipt, KeyRepeated, Receipt, Stored, StreamAppend, VersionConflict
from infrastructure.event_store.store import AggregateStore
from infrastructure.event_store.unit import Unit, changed
from infrastructure.passwords import OnceEach
from infrastructure.receipts import KeyInFlight, KeyReused, Outcome, outcome_text

RETRY_SECONDS = 8.0  # for how long a command that loses races is decided anew
log = structlog.get_logger(__name__)


class CommandBus:
    """Runs commands.  One a process."""

    def __init__(
        self,
        store: AggregateStore,
        metadata: MetadataWriter,
        *,
        observe: Callable[[str, str, float], None] | None = None,
        publish: Callable[[Sequence[Root]], None] | None = None,
    ) -> None:
        """`observe(command, outcome, seconds)`; `publish(aggregates)` is shown what has just been stored, events still pending."""
        self._store = store
        self._metadata = metadata
        self._observe = observe
        self._publish = publish
        self._in_flight: set[tuple[UUID, str]] = set()
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def dispatch(
        self, command: Command, context: Context, *, if_match: Callable[[int], bool] | None = None, key: IdempotencyKey | None = None
    ) -> Outcome:
        """Decide and store.  `if_match(version)` tells whether the client's If-Match accepts it.

        Errors: any DomainError; then nothing was stored.
        """
        started = time.perf_counter()
        outcome = "failed"
        context = replace(context, passwords=OnceEach(context.passwords))
        context = replace(context, each=EachPart(context))
        try:
            result = await self._once_per_key(command, context, if_match, key)
            outcome = "replayed" if result.replayed else "stored" if result.events_count else "unchanged"
            return result
        except DomainError as error:
            outcome = error.code
            if error.fact is not None:
                await self.note(error.fact, context.actor, context)
            raise
        finally:
            seconds = time.perf_counter() - started
            if self._observe is not None:
                self._observe(type(command).__name__, outcome, seconds)
            log.debug("command", command=type(command).__name__, outcome=outcome, milliseconds=round(seconds * 1000, 2))

    async def _once_per_key(
        self, command: Command, context: Context, if_match: Callable[[int], bool] | None, key: IdempotencyKey | None
    ) -> Outcome:
        if key is None:
            return await self._until_stored(command, context, if_match, None)
        mark = (key.caller_id, key.key)
        if mark in self._in_flight:
            raise KeyInFlight
        self._in_flight.add(mark)
        try:
            if (kept := await self._store.log.receipt(*mark)) is not None:
                return await self._replay(kept, key)
            try:
                return await self._until_stored(command, context, if_match, key)
            except KeyRepeated:  # a twin in another process was faster
                if (kept := await self._store.log.receipt(*mark)) is None:
                    raise Conflict from None
                return await self._replay(kept, key)
        finally:
            self._in_flight.discard(mark)

    async def _until_stored(
        self, command: Command, context: Context, if_match: Callable[[int], bool] | None, key: IdempotencyKey | None
    ) -> Outcome:
        async with AsyncExitStack() as held:
            return await self._attempts(command, context, if_match, key, held)

    async def _attempts(
        self, command: Command, context: Context, if_match: Callable[[int], bool] | None, key: IdempotencyKey | None, held: AsyncExitStack
    ) -> Outcome:
        fresh = False
        in_line = await self._queued_behind_losers(command, held)
        deadline, lost = time.monotonic() + RETRY_SECONDS, 0
        while time.monotonic() < deadline:
            unit = Unit(self._store, fresh=fresh)
            try:
                decision = await self._decide(command, context, unit, if_match)
            except DomainError:
                if unit.relied_on_cache:  # it may be the cache that is wrong
                    fresh = True
                    continue
                raise
            saves = changed(decision.save)
            if not saves and unit.relied_on_cache:
                fresh = True
                continue
            try:
                saved = await self._save(context, decision, saves, key)
                if isinstance(decision.answer, DomainError):
                    raise decision.answer  # a refusal that changes something: it is stored, and still a refusal
                return saved
            except VersionConflict:
                fresh, lost = True, lost + 1
                if not in_line:
                    # Losers of a race stand in line by stream: retrying all at once, most would lose again and again.
                    in_line = True
                    for stream_id in _meeting_points(saves):
                        await held.enter_async_context(self._turns.setdefault(stream_id, asyncio.Lock()))
                else:
                    await asyncio.sleep(random.uniform(0, 0.004 * min(lost, 8)))  # noqa: S311 - jitter, not a secret
        raise Conflict

    async def _queued_behind_losers(self, command: Command, held: AsyncExitStack) -> bool:
        """Whoever comes while others stand in line for the same stream goes to its end, or these would lose to newcomers for ever."""
        target = command.target()
        turn = None if target is None else self._turns.get(target[1])
        if turn is None or not turn.locked():
            return False
        await held.enter_async_context(turn)
        return True

    async def _decide(self, command: Command, context: Context, unit: Unit, if_match: Callable[[int], bool] | None) -> Decision:
        await registry.policy_of(type(command))(command, context.actor, unit, context.now)
        if command.needs_reason and not context.reason:
            await self._ask_for_reason(command, context.actor, unit)
        if if_match is not None and (target := command.target()) is not None:
            aggregate = await unit.peek(*target)
            if not if_match(aggregate.version):
                raise Stale(current_version=aggregate.version)
        return as_decision(await registry.handler_of(type(command))(command, unit, context))

    async def _ask_for_reason(self, command: Command, actor: Actor, unit: Unit) -> None:
        kind = kinds()["organization"]
        organization_id = command.organization() or actor.organization_id
        organization: Any = await unit.glance(kind, organization_id) if organization_id is not None else None
        if organization is not None and organization.require_change_reason:
            raise ReasonRequired

    async def _save(self, context: Context, decision: Decision, saves: tuple[Root, ...], key: IdempotencyKey | None) -> Outcome:
        actor = decision.actor or context.actor
        receipt = None if key is None else Receipt(key, outcome_text(decision))
        if not saves and receipt is None and decision.fact is None:
            return Outcome(decision.answer, await self._store.log.head(), decision.facts)
        metadata = await self._metadata.write(actor, context)
        streams = await self._store.encode(saves, metadata, actor.id, actor.organization_id)
        if decision.fact is not None:
            streams += (await self._store.encode_fact(decision.fact, metadata, actor.id, actor.organization_id),)
        append = Append(new_id(), streams + _guarding(decision, saves), actor.session_id, receipt)
        stored: Stored = await self._store.log.append(append)
        if saves:
            if self._publish is not None:
                self._publish(saves)
            self._store.settle(saves, stored)
        return Outcome(decision.answer, stored.last_position, decision.facts, events_count=append.events_count)

    async def note(
        self,
        event: AggregateEvent | None,
        actor: Actor,
        context: Context,
        *,
        key: IdempotencyKey | None = None,
        facts: Mapping[str, Any] | None = None,
        within: Any = None,
    ) -> int:
        """Store a fact that no command decides and no version guards, such as a refusal.  Answers its position.

        None: nothing happened.  `key`: kept with it, and with `facts`, the answer.  `within`: a connection in whose transaction all
        of it is stored, or not.  Errors: KeyRepeated; see `answered`.
        """
        if event is None and key is None:
            return await self._store.log.head()
        streams: tuple[StreamAppend, ...] = ()
        if event is not None:
            metadata = await self._metadata.write(actor, context, about=getattr(event, "subject_id", None))
            streams = (await self._store.encode_fact(event, metadata, actor.id, actor.organization_id),)
        receipt = None if key is None else Receipt(key, orjson.dumps({"facts": dict(facts or {})}, default=str).decode())
        stored = await self._store.log.append(Append(new_id(), streams, actor.session_id, receipt), within=within)
        return stored.last_position

    async def answered(self, key: IdempotencyKey) -> Outcome | None:
        """What was answered under this key; None: nothing yet.  Errors: KeyReused."""
        kept = await self._store.log.receipt(key.caller_id, key.key)
        return None if kept is None else await self._replay(kept, key)

    async def _replay(self, kept: KeptReceipt, key: IdempotencyKey) -> Outcome:
        if kept.fingerprint != key.fingerprint:
            raise KeyReused
        answered = orjson.loads(kept.outcome)
        answer = None
        if answered.get("kind"):
            answer = await self._store.as_of(kinds()[answered["kind"]], UUID(answered["id"]), answered["version"])
            if answer is None:
                raise NotFound(kind=answered["kind"], id=answered["id"])
        return Outcome(answer, kept.position, answered["facts"], replayed=True)


def _meeting_points(saves: Sequence[Root]) -> list[UUID]:
    """Streams where a race can have been lost: those that were there before.  Sorted, so that two lines never block each other."""
    return sorted(a.id for a in saves if a.version > len(a.pending_events)) or [saves[0].id]


def _guarding(decision: Decision, saves: Sequence[Root]) -> tuple[StreamAppend, ...]:
    """No events for streams that must not have moved: the append looks at their versions all the same."""
    saved = {a.id for a in saves}
    guards = {g.id: g for g in decision.guards if g.id not in saved}
    return tuple(StreamAppend(g.id, g.version - len(g.pending_events), ()) for g in guards.values())
