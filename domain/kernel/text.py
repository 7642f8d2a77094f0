"""How text is compared."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """Equal for texts that people take for the same: NFKC, case-folded, and normalized again."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
