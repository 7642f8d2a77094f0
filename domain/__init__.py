"""What is true: events, aggregates, commands and policies.  Knows nothing but the standard library and `eventsourcing.domain`."""
