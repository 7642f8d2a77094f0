"""`python -m workers run|check`: the same as `trialog workers`."""

from workers.cli import app

app(prog_name="workers")
