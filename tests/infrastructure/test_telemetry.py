"""Logs: one line an event, whatever clients sent."""

from __future__ import annotations

import pytest
import structlog

from infrastructure.telemetry import configure_logging


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_a_client_sent_cannot_forge_a_line(form: str, capsys: pytest.CaptureFixture[str]):
    configure_logging("info", form, for_good=False)
    structlog.get_logger("test").info("request.failed", path="/a\n2026-11-25 [info] all is well\x1b[2J", name="Ærøskøbing")
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "\x1b[2J" not in printed
    assert "Ærøskøbing" in printed or "\\u00c6r" in printed
