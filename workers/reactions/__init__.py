"""Whenever this feature's event has happened, then ...: one module a feature, one function a reaction."""
