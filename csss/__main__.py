"""`python -m csss` is the `csss` command."""

from csss.cli import main

main()
