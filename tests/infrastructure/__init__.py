"""How facts are stored, sent and seen, proved against real servers."""
