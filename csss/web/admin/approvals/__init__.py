"""An administrator approves reports: one by one, or several with one code."""
