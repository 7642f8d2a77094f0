"""Suites that every adapter of a port must pass.  An adapter's own test class only builds it."""
