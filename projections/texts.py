"""How texts are compared: without regard to case, in any script."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """What two spellings of the same words have in common."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
