"""Programs as processes that start in a tenth of a second; and what is loaded for those of the tests' own besides."""

from __future__ import annotations

from benchmarks.forking import CONTEXT, Forked, preload

__all__ = ["CONTEXT", "Forked"]

# There is one such process for each of the tests', whoever asks for it: so whatever anybody forks is named here.
preload("tests.projections.crashing", "tests.support.writers")
