"""An administrator approves accounts, helps people who are locked out, and deactivates accounts."""
