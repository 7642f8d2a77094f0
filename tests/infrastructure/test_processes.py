"""Memory of processes that serve.  That children never outlive us is told by test_supervisor."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PAGES = """
import resource
from infrastructure.processes import keep_memory
{begin}
def request():
    return len([bytes([byte]) * (4 << 20) for byte in range(4)])
def touched():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
request()
before = touched()
for _ in range(10):
    request()
print(touched() - before)
"""


def pages_touched_anew(begin: str) -> int:
    return int(subprocess.run([sys.executable, "-c", PAGES.format(begin=begin)], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_memory_that_is_given_back_is_kept_for_the_next_request() -> None:
    assert pages_touched_anew("keep_memory()") < 1000 < pages_touched_anew("")
