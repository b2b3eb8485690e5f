"""How the clinic works, in figures and plots."""
