"""The report: approval, rendering, versions."""
