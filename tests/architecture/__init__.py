"""The form of the house, as far as a program can look at it."""
