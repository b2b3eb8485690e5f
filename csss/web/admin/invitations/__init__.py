"""An administrator invites staff by mail."""
