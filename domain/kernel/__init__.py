"""The few words every feature is made of.  Features may import it; it imports no feature."""
