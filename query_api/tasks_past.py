"""Lists of tasks as they were at some time.  Source: contract, section 9."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from domain.kernel.aggregate import kinds
from domain.kernel.errors import Unavailable
from infrastructure.history import as_json
from infrastructure.http.call import Call
from projections.read_models.task_filters import TaskFilter
from projections.read_models.tasks_past import changed_since, past_row, past_task_list
from projections.statements import Page, Statement
from projections.texts import folded
from query_api.dependencies import reader

LOOKS_MAX = 20  # each finds what was changed since the one before
FOLDED_AT_ONCE = 100  # streams: others want to be answered in between


@dataclass(slots=True)
class PastTasks:
    """One organization's tasks at one time; made for one request."""

    as_of: datetime
    position: int  # of the log: the last one not after that time
    tags: dict[UUID, str]  # their names then
    _changed: dict[UUID, dict[str, Any] | None] = field(default_factory=dict)  # None: not there yet

    @classmethod
    async def at(cls, call: Call, as_of: datetime) -> PastTasks:
        await reader(call).log_at_least(call)
        position = await call.services.log.position_at(as_of)
        return cls(as_of, position, await call.services.history.tags_at(call.organization_id, position))

    def statement(self, call: Call, wanted: TaskFilter, page: Page) -> Statement:
        """To be read by `read`."""
        ids_by_name = {folded(name): tag_id for tag_id, name in self.tags.items()}
        tag_ids = [ids_by_name.get(folded(name)) for name in wanted.tag]
        return past_task_list(call.organization_id, call.actor.session_id, self.as_of, wanted, tag_ids, page)

    async def read(self, call: Call, statement: Statement) -> dict[str, Any]:
        """The statement's row.  Tasks go on changing meanwhile: it stands once no other is found to have changed since that time.

        Errors: ProjectionBehind, Unavailable.
        """
        row: dict[str, Any] | None = None
        for _ in range(LOOKS_MAX):
            looked = await self._ask(call, changed_since(call.organization_id, self.as_of, [*self._changed], call.actor.session_id))
            if row is not None and not looked["ids"]:
                return row | {"items": self._named(row["items"])}
            await self._look_back(call, looked["ids"])
            past = [known for known in self._changed.values() if known is not None]
            statement.parameters["past"] = orjson.dumps(past).decode()
            row = await self._ask(call, statement)
        raise Unavailable

    async def _ask(self, call: Call, statement: Statement) -> dict[str, Any]:
        least = max(self.position, call.min_position())
        return await reader(call).at_least(least, statement.models, statement.sql, statement.parameters)

    async def _look_back(self, call: Call, task_ids: Sequence[UUID]) -> None:
        kind: Any = kinds()["task"]
        for first in range(0, len(task_ids), FOLDED_AT_ONCE):
            some = task_ids[first : first + FOLDED_AT_ONCE]
            self._changed |= dict.fromkeys(some)
            for task in await call.services.store.many_as_of(kind, some, self.position):
                self._changed[task.id] = past_row(as_json(task.public_state()), call.organization_id, deleted=task.deleted)
            await asyncio.sleep(0)

    def _named(self, items: str) -> str:
        """Tasks with the names of their tags."""
        found: list[dict[str, Any]] = orjson.loads(items)
        for item in found:
            tag_ids = map(UUID, item.pop("tag_ids"))
            item["tags"] = [self.tags[tag_id] for tag_id in tag_ids if tag_id in self.tags]
        return orjson.dumps(found).decode()
