"""Invitations by mail, by a real mail server: the token in it lets people in; worthless ones are not sent.  Source: contract, section 4."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from domain.commands.invitations import AcceptInvitation, RevokeInvitation
from domain.commands.members import AddMember
from domain.commands.organizations import FoundOrganization
from domain.commands.users import Register
from domain.kernel.actor import ANYBODY, Actor, Role
from domain.kernel.command import Command
from infrastructure.settings import Settings
from infrastructure.wiring import Services
from tests.support.post import html_of, post_office, text_of
from tests.support.wait import eventually
from tests.workers.conftest import Office, at_work
from workers.registry import load

PASSWORD = "correct horse battery"
REACTIONS = load()  # and all commands with their policies
TOKEN = re.compile(r"^([A-Za-z0-9_-]{86})\r?$", re.MULTILINE)


def ask(office: Office, command: Command, actor: Actor = ANYBODY) -> Any:
    async def dispatch(services: Services) -> Any:
        assert services.bus is not None
        return await services.bus.dispatch(command, services.context(actor))

    return office.run(dispatch)


def test_the_token_of_the_mail_lets_in_and_each_invitation_is_mailed_once(settings: Settings, office: Office):
    ann = Actor(id=ask(office, Register(email="ann@example.com", password=PASSWORD, full_name="Ann")).answer.id, name="Ann")
    clinic: UUID = ask(office, FoundOrganization(name="Klinik <Süd>", timezone="UTC", currency="EUR"), ann).answer.id
    revoked = ask(office, AddMember(organization_id=clinic, email="eve@example.com", role=Role.USER), ann).facts["invitation_id"]
    ask(office, RevokeInvitation(organization_id=clinic, invitation_id=UUID(revoked)), ann)
    with post_office() as post, at_work(settings.model_copy(update={"smtp_url": post.url}), REACTIONS) as (background, _):
        ask(office, AddMember(organization_id=clinic, email="bob@example.com", role=Role.STAFF), ann)
        mail = post.mail_to("bob@example.com")
        found = TOKEN.search(text_of(mail))
        assert found is not None, text_of(mail)
        assert str(mail["Subject"]) == "You are invited to Klinik <Süd>"
        assert "Ann invites you to Klinik <Süd>, as staff" in text_of(mail)
        assert f"<code>{found[1]}</code>" in html_of(mail)
        assert "Klinik &lt;Süd&gt;" in html_of(mail)
        eventually(lambda: set(office.states()) == {"done"}, within_seconds=60)
        position = next(position for position, reaction, *_ in reversed(office.rows()) if reaction == "invitations.invite")
        background.react(position, "invitations.invite")  # delivered a second time
        assert len(post.to("bob@example.com")) == 1
        assert post.to("eve@example.com") == []
    bob = ask(office, Register(email="BOB@example.com", password=PASSWORD)).answer.id
    joined = ask(office, AcceptInvitation(token=found[1]), Actor(id=bob, name="Bob")).answer
    assert joined.members[bob] is Role.STAFF
