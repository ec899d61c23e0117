"""`python -m hwq` is the command line."""

from hwq.cli import main

main()
