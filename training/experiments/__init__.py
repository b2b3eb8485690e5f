"""Runs beside the shipped model: several seeds, single changes, synthetic scans."""
