"""Tags: facts in, rows out."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg

from projections.read_models.tags import BY_NAME, tag_list
from projections.registry import load
from projections.statements import Page
from tests.conftest import Database
from tests.projections.desk import projected, read
from tests.projections.history import Recorded, append, revised, tagged
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
    at = found["items"][1]["created_at"]
    assert found["items"][1] == {"id": str(UUID(int=1)), "name": "urgent", "color": "#ff0000", "created_at": at, "version": 1}
    assert (found["total"], found["last_key"]) == (3, ["urgent", str(UUID(int=1))])
    rest = read(database.app_url, tag_list(CLINIC, None, Page(limit=2, after=found["last_key"], sort=BY_NAME)))
    assert ([item["name"] for item in rest["items"]], rest["last_key"]) == (["Ärger"], None)


async def test_a_renamed_tag_is_found_by_its_new_name_and_a_deleted_one_not_at_all(database: Database) -> None:
    kept, gone = UUID(int=1), UUID(int=2)
    facts = [tagged(kept, "urgent"), tagged(gone, "late"), revised(kept, "tag.revised", name="Äußerst", color="#00ff00")]
    facts.append(Recorded("tag.deleted", gone, {}))
    await projected(database.app_url, load().chosen(["tags"]), append(database.app_url, *facts))
    found = read(database.app_url, tag_list(CLINIC, None, Page(sort=BY_NAME)))
    at = found["items"][0]["created_at"]
    assert found["items"] == [{"id": str(kept), "name": "Äußerst", "color": "#00ff00", "created_at": at, "version": 2}]
    assert found["total"] == 1
    with psycopg.connect(database.app_url) as connection:
        assert connection.execute("SELECT name_folded FROM read_models.tags").fetchall() == [("äusserst",)]


async def test_it_is_kept_when_a_tag_was_last_renamed_or_deleted_and_nothing_else(database: Database) -> None:
    renamed, gone, colored = UUID(int=1), UUID(int=2), UUID(int=3)
    facts = [tagged(tag, f"tag {tag.int}") for tag in (renamed, gone, colored)]
    facts += [revised(renamed, "tag.revised", name="again"), Recorded("tag.deleted", gone, {})]
    facts += [revised(colored, "tag.revised", color="#00ff00"), revised(renamed, "tag.revised", name="and again")]
    await projected(database.app_url, load().chosen(["tags"]), append(database.app_url, *facts))
    with psycopg.connect(database.app_url) as connection:
        kept = connection.execute("SELECT tag_id, changed_at FROM read_models.tag_changes ORDER BY tag_id").fetchall()
        times = "SELECT recorded_at FROM log.events WHERE stream_id = %s ORDER BY stream_version DESC LIMIT 1"
        last = [connection.execute(times, (tag,)).fetchone() for tag in (renamed, gone)]
    assert kept == [(tag, at) for tag, (at,) in zip((renamed, gone), filter(None, last), strict=True)]
