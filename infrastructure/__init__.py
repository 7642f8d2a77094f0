"""How facts are stored, sent and seen: knows the domain's kernel, no feature."""
