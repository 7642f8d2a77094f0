"""Mirrors the rooms; nothing imports it."""
