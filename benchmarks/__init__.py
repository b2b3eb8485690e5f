"""Measure on this machine whether CSSS keeps its performance budgets: `make bench`."""
