"""American spelling in code, API and pages; `cancelled`, a status that clients know, stays."""

import re

from tests.architecture.repository import texts

WORD = re.compile(r"\w+")
BRITISH = re.compile(  # anywhere in a word
    r"[a-z]{3}isation|(?:organ|recogn|normal|serial|initial|optim|author|synchron|util|summar|custom|final|general|minim|maxim|categor)"
    r"is(?:e|es|ed|er|ers|ing)\b"
    r"|colour|behaviour|favour|honour|neighbour|flavour|labour\b|rumour"
    r"|\bcentre|\blicence|catalogue|analys(?:e[ds]?|ing)\b|\bgrey\b|artefact|judgement|\bfulfil\b|\bwhilst\b|\blearnt\b|\bspelt\b|programme\b"
    r"|modelled|modelling|labelled|travell|signall(?:ed|ing)\b|defence\b|offence\b|\bcheque\b|ageing\b",
    re.IGNORECASE,
)


def test_nothing_is_spelled_the_british_way():
    shipped = {name: text for name, text in texts().items() if name != "tests/architecture/test_spelling.py"}
    words = {word for text in shipped.values() for word in WORD.findall(text)}  # each is looked at once, however often it is written
    british = {word for word in words if BRITISH.search(word)}
    found = [
        f"{name}:{number}: {word}"
        for name, text in shipped.items()
        if british
        for number, line in enumerate(text.splitlines(), 1)
        for word in WORD.findall(line)
        if word in british
    ]
    assert not found, "\n".join(found)
