"""`trialog keys` beside a running system: rotation logs nobody out, and a key that is retired ends its tokens everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from typer.testing import CliRunner

from infrastructure import signing_store
from infrastructure.cli import app
from infrastructure.settings import Settings
from tests.support.http import Caller, Site, problem, serving
from tests.support.settings import settings_for
from tests.support.verifying import verified
from tests.support.wait import eventually


@pytest.fixture(scope="module", params=["HS256", "RS256", "EdDSA"])
def site_settings(request: pytest.FixtureRequest, postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder: Path = tmp_path_factory.mktemp("data")
    with postgres_server.database() as fresh_database:
        yield settings_for(fresh_database, folder, rate_limit_enabled=False, jwt_algorithm=request.param)


@pytest.fixture(scope="module")
def site(site_settings: Settings) -> Iterator[Site]:
    with serving(site_settings) as site:
        yield site


class Terminal:
    """`trialog keys` beside a running system."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in settings.as_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(signing_store, "LEAD_SECONDS", 2.0)  # the only process here reads its keys every 0.4 seconds

    def run(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["keys", *arguments])
        assert done.exit_code == code, done.output
        return str(done.output)

    def states(self) -> dict[str, str]:
        return {key["key"]: key["state"] for key in json.loads(self.run("list", "--json"))}


def test_keys_are_rotated_and_retired_while_the_system_runs(site: Site, site_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal(site_settings, monkeypatch)
    ann, bob = site.person("ann"), site.account("bob")
    (old,) = terminal.states()
    assert terminal.states() == {old: "signs"}
    assert "make another one first" in terminal.run("retire", old, code=1)
    with site.log.gains():
        assert "not known" in terminal.run("retire", "nonsense", code=1)

    with site.log.gains("operation.requested"):
        new = terminal.run("rotate", "--reason", "once a year").split()[0]
    assert acts(site)[-1] == ("rotate", f"signing key {new}", "once a year")
    assert terminal.states() == {old: "signs", new: "waits"}
    eventually(lambda: kid(site.log_in(bob)) == new, within_seconds=30)
    assert terminal.states() == {old: "verifies", new: "signs"}
    assert ann.patch("/auth/me", {}).status_code == 200  # a token of the old key
    if site_settings.jwt_algorithm != "HS256":  # whoever else has our public keys goes through the overlap as we do
        for caller in (ann, site.log_in(bob)):
            assert verified(caller.tokens["access_token"], key_set(site))["sub"] == caller.id

    with site.log.gains("operation.requested"):
        terminal.run("retire", old)
    assert acts(site)[-1] == ("retire", f"signing key {old}", None)
    eventually(lambda: ann.patch("/auth/me", {}).status_code == 401)
    problem(ann.patch("/auth/me", {}), 401, "invalid-token")
    assert terminal.states() == {old: "retired", new: "signs"}
    assert site.log_in(ann.email).patch("/auth/me", {}).status_code == 200
    refreshed = site.anybody.post("/auth/refresh", {"refresh_token": ann.tokens["refresh_token"]})
    assert refreshed.status_code == 200  # the login session is as it was
    if site_settings.jwt_algorithm != "HS256":
        assert verified(refreshed.json()["access_token"], key_set(site))["sid"]
        with pytest.raises(KeyError, match=old):
            verified(ann.tokens["access_token"], key_set(site))


def test_a_leaked_key_ends_at_once(site: Site, site_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal(site_settings, monkeypatch)
    bob = site.person("bob")
    terminal.run("rotate", "--overlap", "0")
    eventually(lambda: bob.patch("/auth/me", {}).status_code == 401)
    eventually(lambda: site.log_in(bob.email).patch("/auth/me", {}).status_code == 200)


def test_the_public_keys_are_where_everybody_looks(site: Site, site_settings: Settings):
    answer = site.client.get(f"{site.url}/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert "max-age" in answer.headers["cache-control"]
    if site_settings.jwt_algorithm == "HS256":
        assert answer.json() == {"keys": []}
        return
    cy = site.person("cy")
    claims = verified(cy.tokens["access_token"], answer.json())
    assert (claims["iss"], claims["aud"], claims["sub"], claims["org"]) == ("trialog", "trialog", cy.id, cy.organization_id)
    head, body, signature = cy.tokens["access_token"].split(".")
    with pytest.raises(InvalidSignature):
        verified(f"{head}.{body[:-4]}AAAA.{signature}", answer.json())


def key_set(site: Site) -> dict[str, Any]:
    """The public keys of this moment."""
    found: dict[str, Any] = site.client.get(f"{site.url}/.well-known/jwks.json").json()
    return found


def acts(site: Site) -> list[tuple[str, str, str | None]]:
    """What was done at the command line: act, target, reason."""
    events = site.log.events()
    return [(data["act"], data["target"], told.get("reason")) for topic, data, told in events if topic == "operation.requested"]


def kid(caller: Caller) -> str:
    """Of the key that signed somebody's token."""
    return str(jwt.get_unverified_header(caller.tokens["access_token"])["kid"])
