"""What is told to whom, and when; `channels` are the ways it travels."""
