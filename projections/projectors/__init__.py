"""What each fact does to rows, one module a feature.  Only translates: no SQL, no clock, no refusal."""
