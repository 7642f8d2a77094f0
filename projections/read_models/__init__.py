"""Tables, their row types and all SQL that reads them, one module a feature.  Never sees an event class."""
