"""The write door: HTTP requests become commands."""
