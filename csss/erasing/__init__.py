"""Erasing a patient on request: the one way past the rules that nothing is removed; legal holds and retention."""
