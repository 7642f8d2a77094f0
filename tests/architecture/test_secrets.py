"""Nothing in the repository looks like a secret, or like a path of somebody's machine."""

import base64
import binascii
import math
import re
from collections import Counter

from tests.architecture.repository import LOCKS, ROOT, files, texts

LOOKS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a token": re.compile(
        r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,}|xox[abp]-[\w-]{10,}|sk-[A-Za-z0-9]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+)"
    ),
    "an address with a password": re.compile(r"\b[a-z+]+://[^\s/:@{}\"'$<]+:(?!password@)[^\s/@{}\"'$<]{8,}@[\w.-]+"),
    "a path of a machine": re.compile(r"(?<![\w.])/(?:home|Users)/\w+|(?<![\w.~])/(?:root|work|tmp)/\w+(?=/)|\b[A-Z]:\\\\?Users"),
    "a package index": re.compile(r"--(?:extra-)?index-url[= ]\S+|\bhttps?://[\w.-]*(?:pypi|artifactory|nexus|devpi)[\w.-]*"),
}
LONG_WORD = re.compile(r"[\"'=\s]([A-Za-z0-9+/_-]{32,}={0,2})[\"'\s]")
ENTROPY_BITS = 4.4  # of a character; 32 random base64 characters have about 4.5, an identifier about 3.8


def entropy(word: str) -> float:
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())


def says_something(word: str) -> bool:
    """Base64 of a text, which a key is not."""
    try:
        return base64.b64decode(word, validate=True).isascii()
    except binascii.Error:
        return False


def lines() -> list[tuple[str, str]]:
    own = "tests/architecture/test_secrets.py"
    return [
        (f"{name}:{number}", line)
        for name, text in texts().items()
        if name != own
        for number, line in enumerate(text.splitlines(), 1)
    ]  # fmt: skip


def test_nothing_looks_like_a_secret_or_a_machine():
    found = [f"{place}: {what}: {match.group()}" for place, line in lines() for what, look in LOOKS.items() if (match := look.search(line))]
    assert not found, "\n".join(found)


def test_no_long_word_is_random():
    found = [
        f"{place}: {word}"
        for place, line in lines()
        for word in LONG_WORD.findall(line)
        if entropy(word) > ENTROPY_BITS and all(re.search(kind, word) for kind in (r"\d", "[A-Z]", "[a-z]")) and not says_something(word)
    ]
    assert not found, "\n".join(found)


def test_no_file_holds_settings_or_keys():
    kept = {".env.example"}
    found = [
        path
        for path in files()
        if path.name not in kept and re.search(r"^\.env|\.(?:pem|key|p12|pfx|sqlite3?|eml)$|^id_(?:rsa|ed25519)", path.name)
    ]
    assert not found


def test_the_lock_files_name_no_machine():
    for lock in LOCKS:
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert not any(look.search(line) for line in text.splitlines() for look in LOOKS.values()), lock
