"""Bodies that are no JSON, are JSON but not allowed, or are hard to swallow: the answer says which, and nothing is stored."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import pytest

from tests.support.http import Caller, RawAnswer, Site, pointers, problem, raw

MIB = 1024 * 1024


def nested(depth: int) -> bytes:
    return b'{"title": "x", "deep": ' + b"[" * depth + b"]" * depth + b"}"


MARKS = "\u0315\u0300"  # to be put in order: a time that grows with the square of their number
NOT_JSON = {
    "empty": b"",
    "blank": b" \n",
    "a word": b"nothing",
    "cut off": b'{"title": "x"',
    "more than one value": b'{"title": "x"} {}',
    "single quotes": b"{'title': 'x'}",
    "a trailing comma": b'{"title": "x",}',
    "a comment": b'{"title": "x" /* y */}',
    "NaN": b'{"title": "x", "estimate_minutes": NaN}',
    "Infinity": b'{"title": "x", "estimate_minutes": -Infinity}',
    "a leading zero": b'{"title": "x", "estimate_minutes": 01}',
    "a bare line break in text": b'{"title": "a\nb"}',
    "not UTF-8": b'{"title": "\xff"}',
    "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
    "nested without end": b"[" * 500_000,
}
NOT_ALLOWED: dict[str, tuple[bytes, str]] = {
    "a list": (b"[]", "#"),
    "a text": (b'"x"', "#"),
    "a lone high surrogate": (b'{"title": "\\ud800"}', "#"),
    "a lone low surrogate": (b'{"title": "\\udc00x"}', "#"),
    "surrogates the wrong way round": (b'{"title": "\\udc00\\ud800"}', "#"),
    "a lone surrogate in a name": (b'{"title": "x", "\\ud800": 1}', "#"),
    "nested 300 levels deep": (nested(300), "#"),
    "nested 100,000 levels deep": (nested(100_000), "#"),
    "a number of 5,000 digits": (b'{"title": "x", "estimate_minutes": ' + b"9" * 5000 + b"}", "#"),
    "a number of 30 digits": (b'{"title": "x", "estimate_minutes": ' + b"9" * 30 + b"}", "#/estimate_minutes"),
    "a number beyond the limit": (b'{"title": "x", "estimate_minutes": 2000000001}', "#/estimate_minutes"),
    "a negative number": (b'{"title": "x", "estimate_minutes": -1}', "#/estimate_minutes"),
    "a fraction": (b'{"title": "x", "estimate_minutes": 1.5}', "#/estimate_minutes"),
    "a truth for a number": (b'{"title": "x", "estimate_minutes": true}', "#/estimate_minutes"),
    "a text for a number": (b'{"title": "x", "estimate_minutes": "5"}', "#/estimate_minutes"),
    "a number for a text": (b'{"title": 5}', "#/title"),
    "a NUL": (b'{"title": "a\\u0000"}', "#/title"),
    "a tab in a title": (b'{"title": "a\\tb"}', "#/title"),
    "DEL": (b'{"title": "a\\u007f"}', "#/title"),
    "C1": (b'{"title": "x", "description": "\\u0085"}', "#/description"),
    "more marks on a letter than any language has": (orjson.dumps({"title": "a" + MARKS * 31}), "#/title"),
    "marks without end": (orjson.dumps({"title": "x", "description": MARKS * 200_000}), "#/description"),
    "an escape character in a description": (b'{"title": "x", "description": "\\u001b[31m"}', "#/description"),
    "a control character in a tag": (b'{"title": "x", "tags": ["ok", "a\\u0007"]}', "#/tags/1"),
    "a control character in a reason": (b'{"title": "x", "reason": "\\u0001"}', "#/reason"),
    "an unknown member": (b'{"title": "x", "color~/": 1}', "#/color~0~1"),
    "a read-only member": (b'{"title": "x", "version": 1}', "#/version"),
    "an empty title": (b'{"title": ""}', "#/title"),
    "a title of spaces": (b'{"title": " "}', "#/title"),
    "a title of wide spaces": (b'{"title": "\\u3000\\u00a0"}', "#/title"),
    "a title with nothing to see": (b'{"title": "\\u200b\\ufeff"}', "#/title"),
    "a tag of spaces": (b'{"title": "x", "tags": ["x", "  "]}', "#/tags/1"),
    "a title of 256 characters": (b'{"title": "' + b"x" * 256 + b'"}', "#/title"),
    "a description of 5,001 characters": (b'{"title": "x", "description": "' + b"x" * 5001 + b'"}', "#/description"),
    "21 tags": (orjson.dumps({"title": "x", "tags": [str(n) for n in range(21)]}), "#/tags"),
    "an empty tag": (b'{"title": "x", "tags": [""]}', "#/tags/0"),
    "a status one cannot begin with": (b'{"title": "x", "status": "done"}', "#/status"),
    "a time without offset": (b'{"title": "x", "due_at": "2026-11-20T09:00:00"}', "#/due_at"),
    "a date": (b'{"title": "x", "due_at": "2026-11-20"}', "#/due_at"),
    "a time as a number": (b'{"title": "x", "due_at": 1700000000}', "#/due_at"),
    "a time as a number in quotes": (b'{"title": "x", "due_at": "1700000000"}', "#/due_at"),
    "a time after 9999 in UTC": (b'{"title": "x", "due_at": "9999-12-31T23:59:59-01:00"}', "#/due_at"),
    "a time before year 1 in UTC": (b'{"title": "x", "due_at": "0001-01-01T00:00:00+01:00"}', "#/due_at"),
    "a year of five digits": (b'{"title": "x", "due_at": "12026-01-01T00:00:00Z"}', "#/due_at"),
    "the 30th of February": (b'{"title": "x", "due_at": "2026-02-30T00:00:00Z"}', "#/due_at"),
    "an hour that is none": (b'{"title": "x", "due_at": "2026-02-03T24:30:00Z"}', "#/due_at"),
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_is_400(site: Site, ann: Caller, name: str):
    with site.log.gains():
        problem(ann.send("POST", "/tasks", body=NOT_JSON[name]), 400, "malformed-json")


@pytest.mark.parametrize("name", NOT_ALLOWED)
def test_what_is_json_but_not_allowed_is_422_and_says_where(site: Site, ann: Caller, name: str):
    body, pointer = NOT_ALLOWED[name]
    with site.log.gains():
        assert pointers(ann.send("POST", "/tasks", body=body)) == [pointer]


def test_every_fault_is_told_at_once(ann: Caller):
    assert set(pointers(ann.post("/tasks", {"title": "", "priority": "urgent", "x": 1}))) == {"#/title", "#/priority", "#/x"}


def test_choices_are_told_as_clients_write_them(ann: Caller):
    [fault] = ann.post("/tasks", {"title": "x", "status": "done"}).json()["errors"]
    assert fault["detail"] == "Input should be 'todo' or 'in_progress'"


def test_a_refusal_does_not_give_the_body_back(ann: Caller):
    answer = ann.post("/tasks", {"title": 5, "description": "my-secret-words" * 500})
    assert "my-secret-words" not in answer.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Cafe\u0301", "Café"), ("x" * 255, "x" * 255), ("e\u0301" * 255, "é" * 255), ("🗂" * 255, "🗂" * 255),
        (" two  blanks ", " two  blanks "),
        ("\u202eright to left", "\u202eright to left"), ("\u2028x", "\u2028x"), ("\ufeffx", "\ufeffx"), ("NaN Infinity", "NaN Infinity"),
    ],
)  # fmt: skip
def test_text_is_normalized_and_otherwise_kept(ann: Caller, given: str, kept: str):
    assert ann.new_task(title=given)["title"] == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-20T09:00:00+05:30", "2026-11-20T03:30:00.000000Z"),
        ("2026-11-20T09:00Z", "2026-11-20T09:00:00.000000Z"),
        ("2026-11-20T09:00:00.5-00:00", "2026-11-20T09:00:00.500000Z"),
        ("2026-11-20T09:00:00.123456789Z", "2026-11-20T09:00:00.123456Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2000-02-29T23:59:59Z", "2000-02-29T23:59:59.000000Z"),
    ],
)
def test_times_come_in_with_any_offset_and_go_out_in_utc(ann: Caller, given: str, kept: str):
    assert ann.new_task(due_at=given)["due_at"] == kept


def test_the_last_of_two_members_of_one_name_counts_and_is_stored_once(site: Site, ann: Caller):
    with site.log.gains("task.created"):
        assert ann.send("POST", "/tasks", body=b'{"title": "first", "title": "last"}').json()["title"] == "last"


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "json", "*/*"])
def test_another_media_type_is_415(site: Site, ann: Caller, media_type: str):
    with site.log.gains():
        problem(ann.post("/tasks", {"title": "x"}, content_type=media_type), 415, "unsupported-media-type")


def test_a_merge_patch_is_none_of_a_create(site: Site, ann: Caller):
    with site.log.gains():
        problem(ann.post("/tasks", {"title": "x"}, content_type="application/merge-patch+json"), 415, "unsupported-media-type")


def test_a_command_without_a_body_needs_no_media_type(ann: Caller):
    task = ann.new_task()
    assert ann.delete(f"/tasks/{task['id']}").status_code == 204
    assert ann.post(f"/tasks/{task['id']}/restore").status_code == 200


def request(ann: Caller, body: bytes, *headers: str, path: str = "/api/v1/tasks") -> RawAnswer:
    lines = ["POST " + path + " HTTP/1.1", "Host: localhost", "Connection: close", "Content-Type: application/json"]
    lines += [f"Authorization: {ann.headers['authorization']}", *headers]
    return raw(ann.site, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def chunked(*chunks: bytes) -> bytes:
    return b"".join(f"{len(c):x}\r\n".encode() + c + b"\r\n" for c in (*chunks, b""))


def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent(site: Site, ann: Caller):
    with site.log.gains():
        answer = request(ann, b"", f"Content-Length: {MIB + 1}", "Expect: 100-continue")
        assert (answer.status, orjson.loads(answer.body)["type"]) == (413, "/problems/body-too-large")


def test_a_body_that_grows_too_large_in_chunks_is_refused(site: Site, ann: Caller):
    with site.log.gains():
        answer = request(ann, chunked(*[b"x" * (MIB // 4)] * 5), "Transfer-Encoding: chunked")
        assert (answer.status, orjson.loads(answer.body)["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize("in_chunks", [True, False])
def test_a_body_of_exactly_the_limit_is_read(site: Site, ann: Caller, in_chunks: bool):
    body = b'{"title": "x", "description": "' + b"x" * (MIB - 33) + b'"}'
    assert len(body) == MIB
    sent = (chunked(body[:1000], body[1000:]), "Transfer-Encoding: chunked") if in_chunks else (body, f"Content-Length: {len(body)}")
    with site.log.gains():
        answer = request(ann, sent[0], sent[1])
    assert (answer.status, orjson.loads(answer.body)["errors"][0]["pointer"]) == (422, "#/description")


def test_a_small_body_in_chunks_is_a_body(site: Site, ann: Caller):
    with site.log.gains("task.created"):
        answer = request(ann, chunked(b'{"title"', b': "chunked"}'), "Transfer-Encoding: chunked")
        assert orjson.loads(answer.body)["title"] == "chunked"


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"nonsense\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)
def test_what_is_not_http_is_400(site: Site, bytes_sent: bytes):
    with site.log.gains():
        answer = raw(site, bytes_sent)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
        assert orjson.loads(answer.body)["type"] == "/problems/not-http"


def test_a_client_that_leaves_in_the_middle_of_its_body_stores_nothing(site: Site, ann: Caller):
    head = "POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100"
    head += f"\r\nAuthorization: {ann.headers['authorization']}"
    with site.log.gains("task.created"):
        with socket.create_connection(("127.0.0.1", site.port)) as wire:
            wire.sendall(head.encode() + b'\r\n\r\n{"title": "half')
        ann.new_task(title="whole")


PREFERENCES: dict[str, Any] = {
    "a NUL": b'{"a": "\\u0000"}',
    "a control character in a name": b'{"a\\u0001": 1}',
    "a control character deep down": b'{"a": [{"b": ["\\u001f"]}]}',
    "a number beyond 64 bits": b'{"a": 123456789012345678901234567890}',
    "a number beyond any float": b'{"a": 1e400}',
    "marks without end": orjson.dumps({"a": MARKS * 100_000}),
    "nested 100 levels deep": b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
}


@pytest.mark.parametrize("name", PREFERENCES)
def test_free_form_members_are_held_to_the_same_rules(site: Site, ann: Caller, name: str):
    with site.log.gains():
        body = b'{"notification_preferences": ' + PREFERENCES[name] + b"}"
        assert pointers(ann.send("PATCH", "/auth/me", body=body))[0].startswith("#")
