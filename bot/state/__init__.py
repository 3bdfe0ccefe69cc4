"""What a process remembers from one request to the next."""
