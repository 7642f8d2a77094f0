"""Commands that consist of others: each part is judged and decided by itself, what passed is stored in one append."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from domain.kernel import registry
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import BatchRefused, DomainError, Unavailable
from domain.kernel.ports import Store
from domain.kernel.registry import Handled
from infrastructure.event_store.transcoding import UnreadableEvent
from infrastructure.event_store.unit import Unit, changed
from infrastructure.http import problems


class EachPart:
    """`Each` for one command."""

    def __init__(self, context: Context) -> None:
        """`context`: of the whole; every part is judged by its actor and its clock."""
        self._context = context

    async def __call__(self, parts: Sequence[Command], store: Store, *, atomic: bool) -> Decision:
        unit = cast(Unit, store)  # the bus gives handlers nothing else
        unit.ask_the_log()  # a refusal is part of the answer here, not an error for which the bus would look again
        await _preload(parts, unit)
        saves: dict[UUID, Root] = {}
        results: list[dict[str, Any]] = []
        answers: list[Root | None] = []
        guards: list[Root] = []
        for part in parts:
            branch = unit.branch()
            try:
                decision = await self._decide(part, branch)
            except DomainError as error:
                if isinstance(error, Unavailable) and not isinstance(error, UnreadableEvent):
                    raise  # that passes: the whole is asked for again, rather than that a row of it is kept as the answer
                results.append({"id": _id(part), "status": "failed", "problem": problems.member(error)})
                answers.append(None)
                continue
            changes = changed(decision.save)
            saves |= {aggregate.id: aggregate for aggregate in changes}
            unit.adopt(branch, decision.save)
            guards += decision.guards
            results.append({"id": _id(part), "status": "updated" if changes else "unchanged", "version": decision.answer.version})
            answers.append(decision.answer)
        if atomic and None in answers:
            untouched = [_undone(result, answer) for result, answer in zip(results, answers, strict=True)]
            raise BatchRefused(failed=answers.count(None), asked=len(answers), results=untouched)
        return Decision(save=tuple(saves.values()), facts={"results": results}, guards=tuple(guards))

    async def _decide(self, part: Command, branch: Unit) -> Decision:
        await registry.policy_of(type(part))(part, self._context.actor, branch, self._context.now)
        return as_decision(await registry.handler_of(type(part))(part, branch, self._context))


def as_decision(handled: Handled) -> Decision:
    """What a handler returned, in its longest form."""
    if isinstance(handled, Decision):
        return handled
    saves = handled if isinstance(handled, tuple) else (handled,)
    return Decision(save=saves, answer=saves[0])


async def _preload(parts: Sequence[Command], unit: Unit) -> None:
    targets = [target for part in parts if (target := part.target()) is not None]
    for kind in dict.fromkeys(kind for kind, _ in targets):
        with suppress(UnreadableEvent):  # one of them: each is loaded by itself, and that one is refused in its row
            await unit.preload(kind, [stream_id for of, stream_id in targets if of is kind])


def _undone(result: dict[str, Any], answer: Root | None) -> dict[str, Any]:
    """What is told of a part that could have been, had not another one failed."""
    if answer is None:
        return result
    return {**result, "status": "unchanged", "version": answer.version - len(answer.pending_events)}


def _id(part: Command) -> UUID:
    target = part.target()
    assert target is not None, "parts are commands on one aggregate each"
    return target[1]
