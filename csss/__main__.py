"""Make `python -m csss` run the `csss` command."""

from csss.cli import main

main()
