"""Events and the aggregates that own them, one module a feature.  Aggregates know each other by id only."""
