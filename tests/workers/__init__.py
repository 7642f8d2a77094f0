"""Background jobs, proved against a real Redis and a real database."""
