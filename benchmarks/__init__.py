"""Measure the performance budgets of the design on this machine: `make bench`."""
