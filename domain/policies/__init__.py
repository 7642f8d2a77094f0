"""Who may ask for what, one module a feature.  Run by the command bus only."""
