"""From facts to rows: read models, the projectors that fill them, and the engine that runs both."""
