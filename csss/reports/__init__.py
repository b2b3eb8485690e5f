"""Reports: approval, rendering, stored versions."""
