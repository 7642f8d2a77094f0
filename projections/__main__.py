"""`python -m projections run|rebuild|status|...`: the same as `trialog projections`."""

from projections.cli import app

app(prog_name="projections")
