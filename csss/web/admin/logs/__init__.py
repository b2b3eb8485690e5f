"""An administrator reads the mail log, the jobs that were given up, and the audit log."""
