"""The README's tour as a script: its shell blocks in order, and what the text says that each prints."""

import re
from dataclasses import dataclass

from tests.architecture.repository import ROOT

SECTION = re.compile(r"^## Five minutes$(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```bash\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
END_OF_BLOCK = "--- end of block ---"
ADDRESS = "BASE=http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Step:
    """One block of the tour."""

    shell: str
    prints: list[str]


def steps() -> list[Step]:
    section = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section is not None, "the README has its tour"
    return [Step(shell, prints.splitlines()) for shell, prints in BLOCK.findall(section.group(1))]


def script(found: list[Step], base: str) -> str:
    """All blocks for one bash, at another address."""
    text = "".join(f"{step.shell}\necho '{END_OF_BLOCK}'\n" for step in found)
    assert text.count(ADDRESS) == 1
    return "set -u\n" + text.replace(ADDRESS, f"BASE={base}")


def matches(told: str, printed: str) -> bool:
    """`…` stands for what differs from one run to the next."""
    return re.fullmatch(".+".join(map(re.escape, told.split("…"))), printed) is not None
