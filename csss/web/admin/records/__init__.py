"""The front desk: an administrator finds, makes, edits, invites and merges patient records."""
