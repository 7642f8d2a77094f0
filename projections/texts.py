"""How texts are compared: without regard to case, in any script; and how they are searched."""

from __future__ import annotations

import re
import unicodedata

# Accents, and the points of Hebrew and Arabic: people leave them out.  Marks of other scripts are letters as much as any.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)


def folded(text: str) -> str:
    """What two spellings of the same words have in common."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def searchable(text: str) -> str:
    """As `folded`, and without accents: who looks for Muller finds Müller, and the other way round."""
    text = folded(text)
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
