"""A sample of each event version: `<topic>.v<n>.json` as the log holds it, `.decoded` as it was read when it was written."""
