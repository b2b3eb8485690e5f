"""Prescriptions: the pharmacist's lines, their checks and warnings, the formulary, and templates."""
