"""The data set: its manifest, who is in it, how it is split, and how its pictures are read and varied."""
