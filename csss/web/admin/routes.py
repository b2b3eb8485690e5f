"""Routes: An administrator approves reports, manages accounts and reads the audit log."""
