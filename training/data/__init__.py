"""The data set: its manifest, findings, split, and how its pictures are read and augmented."""
