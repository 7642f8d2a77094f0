"""How fast it is, measured side by side with peers on the same machine in the same minutes: `make bench`, `make demo`."""
