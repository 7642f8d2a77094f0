"""`python -m infrastructure run|serve|migrate|check|...`: the same as `trialog`."""

from infrastructure.cli import main

main()
