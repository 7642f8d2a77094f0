"""Commands and their handlers, one module a feature."""
