"""The schema's history: plain SQL, one numbered revision per change, run by Alembic."""
