"""Slack's side: one module for each door, the sentences, the blocks, the two transports."""
