"""What clients get, as the document tells it: one module a feature, for commands and queries alike."""
