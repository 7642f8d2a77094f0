"""American spelling in code, API and pages; `cancelled`, a status that clients know, stays."""

import re

from tests.architecture.repository import texts

BRITISH = re.compile(
    r"\w*(?:"
    r"[a-z]{3}isation|(?:organ|recogn|normal|serial|initial|optim|author|synchron|util|summar|custom|final|general|minim|maxim|categor)"
    r"is(?:e|es|ed|er|ers|ing)\b"
    r"|colour|behaviour|favour|honour|neighbour|flavour|labour\b|rumour"
    r"|\bcentre|\blicence|catalogue|analys(?:e[ds]?|ing)\b|\bgrey\b|artefact|judgement|\bfulfil\b|\bwhilst\b|\blearnt\b|\bspelt\b|programme\b"
    r"|modelled|modelling|labelled|travell|signall(?:ed|ing)\b|defence\b|offence\b|\bcheque\b|ageing\b"
    r")\w*",
    re.IGNORECASE,
)


def test_nothing_is_spelled_the_british_way():
    found = [
        f"{name}:{number}: {match.group()}"
        for name, text in texts().items()
        if name != "tests/architecture/test_spelling.py"
        for number, line in enumerate(text.splitlines(), 1)
        for match in BRITISH.finditer(line)
    ]
    assert not found, "\n".join(found)
