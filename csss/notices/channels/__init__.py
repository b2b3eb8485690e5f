"""The ways a notice travels, one module each."""
