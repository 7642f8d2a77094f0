"""The write door over real HTTP: what is answered, and that nothing is appended that should not be."""
