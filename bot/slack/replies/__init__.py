"""Answers on their way: in the ack, or after it."""
