"""How text is compared, and what stands where there is none any more."""

from __future__ import annotations

import unicodedata

ERASED = "[erased]"  # what personal data reads once its key is destroyed


def folded(text: str) -> str:
    """Equal for texts that people take for the same: in other letters, composed otherwise, of full width (Unicode, 3.13, D147)."""
    if text.isascii():
        return text.lower()
    # Apart before they are folded: a mark that becomes a letter must not overtake the marks before it.
    once = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", once).casefold())
