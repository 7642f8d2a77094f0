"""The whole system as real processes, and what happens to them."""
