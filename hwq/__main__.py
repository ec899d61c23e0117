"""`python -m hwq` is the command line."""

from hwq.cli.main import main

main()
