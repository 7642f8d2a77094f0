"""Facts in, rows out."""
