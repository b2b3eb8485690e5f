"""The fault matrix: what may go wrong on a bad day, done to the real system, again and again (`make chaos`)."""
