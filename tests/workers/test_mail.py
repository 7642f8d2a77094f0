"""What mails look like and how they are handed over: to a real mail server, with and without TLS and a password."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.settings import Settings, SettingsError
from tests.support.post import html_of, post_office, text_of
from tests.support.world import NOON
from workers.acting import wants_mail
from workers.mail import Final, Letters, NoMailer, Server, SmtpMailer, make_mailer, sender

PLAIN = Settings.model_validate({"environment": "testing", "public_url": "https://trial.example.org"})
FACTS = {"title": "A title", "body": "A body", "user": "Ann", "kind": "task_assigned"}
ID = "<1.test@trial.example.org>"


async def nothing() -> None:
    """Nobody wants to know."""


def letter(to: str = "ann@example.com", name: str = "Ann", **facts: str) -> Any:
    return Letters(PLAIN).write("notification", to=to, name=name, message_id=ID, at=NOON, facts=FACTS | facts)


def test_a_mail_has_a_text_and_an_html_part_and_says_that_a_machine_wrote_it():
    mail = letter()
    assert (mail["To"], mail["From"]) == ("Ann <ann@example.com>", "Trialog <no-reply@trial.example.org>")
    assert (mail["Subject"], mail["Message-ID"], mail["Auto-Submitted"]) == ("A title", ID, "auto-generated")
    assert mail["Date"] == "Fri, 20 Nov 2026 12:00:00 +0000"
    assert "A body" in text_of(mail)
    assert "<p>A body</p>" in html_of(mail)


def test_the_same_mail_made_again_is_the_same_bytes():
    assert letter().as_bytes() == letter().as_bytes()


def test_what_people_typed_is_text_in_html_and_stays_as_it_is_in_text():
    mail = letter(body='<script>alert("x")</script>')
    assert "<script>" not in html_of(mail)
    assert "&lt;script&gt;" in html_of(mail)
    assert '<script>alert("x")</script>' in text_of(mail)


@given(st.text(max_size=80), st.text(max_size=80))
def test_nobody_smuggles_headers_in(title: str, name: str):
    mail = letter(title=f"x{title}\r\nBcc: all@example.com", name=f"{name}\nBcc: all@example.com")
    assert [key for key in mail if key == "Bcc"] == []
    head = mail.as_bytes().partition(b"\r\n\r\n")[0]
    assert not any(line.lower().startswith(b"bcc") for line in head.splitlines())


@pytest.mark.parametrize("address", ["", "nobody", "a@b\r\nBcc: c@example.com", "a@b, c@example.com", "two words@example.com", "@x"])
def test_what_is_no_address_gets_no_mail(address: str):
    with pytest.raises(Final):
        letter(to=address)


def test_a_fact_that_is_missing_is_an_error():
    with pytest.raises(Exception, match="'title' is undefined"):
        Letters(PLAIN).write("notification", to="ann@example.com", name="", message_id=ID, at=NOON, facts={"user": "Ann"})


def test_every_template_has_both_forms_and_a_subject():
    templates = Path(__file__).parents[2] / "workers" / "templates"
    names = {path.stem for path in templates.iterdir()} - {"layout"}
    assert names
    for name in names:
        assert (templates / f"{name}.txt").read_text().startswith("Subject: ")
        assert (templates / f"{name}.html").read_text().startswith('{% extends "layout.html" %}')


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", Server("mail.example.org", 25, None, None, tls=False, start_tls=None)),
        ("smtp://u%40x:p%2Fw@mail.example.org", Server("mail.example.org", 587, "u@x", "p/w", tls=False, start_tls=True)),
        ("smtp://u:p@localhost:2525", Server("localhost", 2525, "u", "p", tls=False, start_tls=None)),
        ("smtps://u:p@mail.example.org", Server("mail.example.org", 465, "u", "p", tls=True, start_tls=False)),
        ("smtp://u:p@mail.example.org?starttls=never", Server("mail.example.org", 587, "u", "p", tls=False, start_tls=False)),
        ("smtp://mail.example.org?starttls=required", Server("mail.example.org", 25, None, None, tls=False, start_tls=True)),
    ],
)
def test_the_server_is_read_from_its_address(url: str, server: Server):
    assert Server.parse(url) == server


@pytest.mark.parametrize("url", ["http://mail.example.org", "smtp://", "smtp://h:port", "smtp://h?starttls=perhaps"])
def test_an_address_of_no_mail_server_is_refused_by_name(url: str):
    with pytest.raises(SettingsError, match="SMTP_URL"):
        Server.parse(url)


def test_where_mails_come_from():
    assert sender(PLAIN).addr_spec == "no-reply@trial.example.org"
    assert sender(PLAIN.model_copy(update={"mail_from": "desk@clinic.example"})).addr_spec == "desk@clinic.example"
    assert sender(PLAIN.model_copy(update={"public_url": "http://127.0.0.1:8000"})).addr_spec == "no-reply@[127.0.0.1]"
    with pytest.raises(SettingsError, match="MAIL_FROM"):
        sender(PLAIN.model_copy(update={"mail_from": "a@b@c"}))


async def test_in_production_a_mail_without_a_server_is_a_dead_letter():
    assert isinstance(make_mailer(PLAIN.model_copy(update={"environment": "production"})), NoMailer)
    with pytest.raises(Final):
        await NoMailer().send(letter(), nothing)


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def authenticator(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"desk", b"s3cret"), handled=False)


async def test_a_server_with_starttls_and_a_password(tmp_path: Path):
    pem = certificate(tmp_path)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(pem)
    ours = ssl.create_default_context(cafile=str(pem))
    with post_office(tls_context=theirs, require_starttls=True, authenticator=authenticator, auth_required=True) as post:
        url = f"smtp://desk:s3cret@localhost:{post.port}"
        told: list[str] = []

        async def taken() -> None:
            told.append("taken")

        await SmtpMailer(Server.parse(url), "trial.example.org", ours).send(letter(), taken)
        assert told == ["taken"]
        assert post.recipients == ["ann@example.com"]
        strict = SmtpMailer(Server.parse(url), "trial.example.org")  # trusts what the system trusts, which this is not
        with pytest.raises(Exception, match=r"(?i)certificate"):
            await strict.send(letter(), taken)
        wrong = SmtpMailer(Server.parse(f"smtp://desk:wrong@localhost:{post.port}"), "trial.example.org", ours)
        with pytest.raises(Exception, match="535"):
            await wrong.send(letter(), taken)
    assert len(post.mails) == 1
    assert told == ["taken"]


async def test_a_password_never_goes_to_a_far_server_in_clear():
    with post_office() as post:  # offers no STARTTLS
        server = Server("127.0.0.1", post.port, "desk", "s3cret", tls=False, start_tls=True)
        with pytest.raises(Exception, match=r"(?i)starttls"):
            await SmtpMailer(server, "trial.example.org").send(letter(), nothing)
    assert post.mails == []


def test_preferences_turn_kinds_off_and_nothing_else():
    assert wants_mail({}, "task_assigned")
    assert wants_mail({"email": {"task_overdue": False}}, "task_assigned")
    assert not wants_mail({"email": {"task_assigned": False}}, "task_assigned")
    assert not wants_mail({"email": False}, "task_assigned")
    assert wants_mail({"email": {"task_assigned": None}, "other": 1}, "task_assigned")
