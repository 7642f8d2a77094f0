"""What people would build instead, small but fair: served by uvicorn, one worker, on the same Postgres."""
