"""`make demo`: a team's month of work over HTTP on a running instance; then what became of it, checked against what was answered."""
