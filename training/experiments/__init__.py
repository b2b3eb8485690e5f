"""Experiments besides the released model: several seeds, single changes, synthetic scans."""
