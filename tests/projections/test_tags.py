"""Tags: facts in, rows out."""

from __future__ import annotations

from uuid import UUID, uuid4

from projections.read_models.tags import BY_NAME, tag_list
from projections.registry import load
from projections.statements import Page
from tests.conftest import Database
from tests.projections.desk import projected, read
from tests.projections.history import append, tagged
from tests.support.world import CLINIC


async def test_an_organizations_tags_by_name(database: Database) -> None:
    facts = [
        tagged(UUID(int=1), "urgent", color="#ff0000"),
        tagged(UUID(int=2), "Ärger"),
        tagged(UUID(int=3), "Lab"),
        tagged(uuid4(), "x", uuid4()),
    ]
    await projected(database.app_url, load().chosen(["tags"]), append(database.app_url, *facts))
    found = read(database.app_url, tag_list(CLINIC, None, Page(limit=2, sort=BY_NAME)))
    assert [item["name"] for item in found["items"]] == ["Lab", "urgent"]
    assert found["items"][1] == {"id": str(UUID(int=1)), "name": "urgent", "color": "#ff0000", "version": 1}
    assert (found["total"], found["last_key"]) == (3, ["urgent", str(UUID(int=1))])
    rest = read(database.app_url, tag_list(CLINIC, None, Page(limit=2, after=found["last_key"], sort=BY_NAME)))
    assert ([item["name"] for item in rest["items"]], rest["last_key"]) == (["Ärger"], None)
