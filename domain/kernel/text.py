"""How text is compared, and what stands where there is none any more."""

from __future__ import annotations

import unicodedata

ERASED = "[erased]"  # what personal data reads once its key is destroyed


def folded(text: str) -> str:
    """Equal for texts that people take for the same: NFKC, case-folded, and normalized again."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
