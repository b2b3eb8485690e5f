"""What the workers do, and how work reaches them without getting lost."""
