"""Measuring the budgets of the design on this machine: `make bench`."""
