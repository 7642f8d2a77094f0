"""One's own profile.  Source: contract, section 3."""

from __future__ import annotations

from typing import Any

from domain.kernel.errors import NotFound
from infrastructure.http.call import Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.routing import Router, access
from projections.answers.users import MeOut
from projections.read_models.users import me
from query_api.dependencies import one

auth = Router(prefix="/auth", tags=["users"])
users = Router(prefix="/users", tags=["users"])
routers = (auth, users)


async def _me(call: QueryCall) -> Reply:
    """Your own account, and your organizations."""
    assert call.actor.id is not None, "the edge lets nobody else in"
    return await one(call, me(call.actor.id, call.actor.session_id), NotFound(kind="account", id=call.actor.id))


_documented: dict[str, Any] = {"response_model": MeOut, "responses": problems(304)}
access(organization=False)(_me)
auth.get("/me", operation_id="readMe", **_documented)(_me)
auth.get("/users/me", operation_id="readMeAmongUsers", **_documented)(_me)
users.get("/me", operation_id="readMyUser", **_documented)(_me)
