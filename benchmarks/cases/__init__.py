"""One module a question, each with `run(bench)`; the runner finds them by itself."""
