"""The read door: HTTP queries on read models and on the log's history."""
