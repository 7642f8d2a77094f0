"""GET only, one module a feature."""
