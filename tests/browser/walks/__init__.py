"""How each task of each role is done, told once for both ways of doing it (tests/browser/hands.py)."""
