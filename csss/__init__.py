"""CSSS, the Clinical Scan Support System."""
