"""Texts are composed before they are kept, and bounded before they are composed."""

from __future__ import annotations

import unicodedata

from tests.command_api.test_bodies import MARKS
from tests.support.http import Caller, Site, pointers


def test_a_refusal_is_not_many_times_as_long_as_what_was_sent(ann: Caller):
    answer = ann.post("/tasks", {f"{'x' * 1000}{n}": 1 for n in range(900)})
    assert len(pointers(answer)) == 50
    assert len(answer.content) < 50_000


def test_a_text_of_many_scripts_is_no_pile_of_marks(ann: Caller):
    title = "Ǻḅ́ş ท่านผู้ ֑שָׁלוֹם नमस्ते Việt 한글 한글"
    assert ann.new_task(title=title)["title"] == unicodedata.normalize("NFC", title)


def test_marks_without_end_are_refused_wherever_text_comes_in(site: Site, ann: Caller):
    with site.log.gains():
        pile = MARKS * 100_000
        assert pointers(site.anybody.post("/auth/login/json", {"email": f"a{pile}", "password": "x"})) == ["#/email"]
        new = {"email": "x@example.com", "password": pile}
        assert pointers(site.anybody.post("/auth/register", new)) == ["#/password"]
        percent_encoded = "%CC%95%CC%80" * 4000
        reason = ann.patch("/tasks/01234567-0000-7000-8000-000000000000", {"title": "x"}, x_change_reason=percent_encoded)
        assert pointers(reason) == ["#/headers/X-Change-Reason"]
