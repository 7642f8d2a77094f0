"""Bodies and unsafe verbs, one module a feature.  Routes parse, dispatch and present."""
