"""Reads over HTTP: shapes, filters, paging, waiting, history."""
