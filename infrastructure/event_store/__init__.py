"""The log: appending to it, loading aggregates from it, following it."""
