"""Benchmarks are shown to run and to measure what they say; how fast anything is, no test asks."""
