"""Who acts at the command line: an account of the operating system, on a host."""

from __future__ import annotations

import os
import pwd
import socket

import pytest

from infrastructure import acts

HERE = socket.gethostname()


def account(name: str, uid: int = 1000) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", "/", "/bin/sh"))


@pytest.mark.parametrize(
    ("runs", "sudo", "told"),
    [
        ("ann", None, f"ann@{HERE}"),
        ("ann", "", f"ann@{HERE}"),
        ("root", "ann", f"ann as root@{HERE}"),
        ("trialog", "ann", f"ann as trialog@{HERE}"),
        ("ann", "ann", f"ann@{HERE}"),
    ],
)
def test_the_account_and_the_host_and_with_sudo_who_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, runs: str, sudo: str | None, told: str
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: account(runs))
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo is not None:
        monkeypatch.setenv("SUDO_USER", sudo)
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "whatever one likes")
    assert acts.operator() == told


def test_an_account_without_a_name_goes_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert acts.operator() == f"uid 4711@{HERE}"
