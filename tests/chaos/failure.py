"""What a fault has broken."""


class Failed(AssertionError):
    """What the fault has broken, in a sentence."""
