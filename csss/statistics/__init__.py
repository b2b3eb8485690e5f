"""Figures about the whole clinic's work: counted by the database, about nobody in particular."""
