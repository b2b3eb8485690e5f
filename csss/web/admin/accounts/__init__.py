"""An administrator lets people in, helps who is locked out, and shuts accounts."""
