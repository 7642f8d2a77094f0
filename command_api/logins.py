"""The answer to whoever is logged in: tokens, profile, organization."""

from __future__ import annotations

from typing import Any

import orjson

from domain.aggregates.organizations import Organization
from domain.commands.sessions import LoggedIn
from infrastructure.http.call import Call, Headers, Reply, json_reply
from infrastructure.http.cookies import refresh_cookie
from infrastructure.presenting import presented


async def logged_in(call: Call, answer: LoggedIn, headers: Headers) -> Reply:
    """An access token for the session's active organization; with a new refresh token that too, and its cookie."""
    services = call.services
    user, session = answer.user, answer.session
    organization: Any = (await services.store.load(Organization, session.organization_id, fresh=False))[0]
    role = None if organization is None else organization.role_of(user.id)
    is_seen = organization is not None and not organization.deleted and (role is not None or user.superuser)
    seconds = max(0, int((session.expires_at - services.clock.now()).total_seconds()))
    tokens = services.authenticator.tokens
    body = {
        "access_token": tokens.sign(user.id, session.id, session.organization_id, role, until=session.expires_at),
        "token_type": "bearer", "expires_in": min(tokens.lifetime_seconds, seconds), "refresh_expires_in": seconds,
        "user": await presented(user, services.store),
        "organization": {"id": organization.id, "name": organization.name, "role": role} if is_seen else None,
    }  # fmt: skip
    headers = [*headers, (b"cache-control", b"no-store")]
    if answer.refresh_token is not None:
        body["refresh_token"] = answer.refresh_token
        headers.append(refresh_cookie(services.settings, answer.refresh_token, seconds))
    return json_reply(200, orjson.dumps(body), headers)
