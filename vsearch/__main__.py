"""`python -m vsearch`."""

from vsearch.cli.app import main

main()
