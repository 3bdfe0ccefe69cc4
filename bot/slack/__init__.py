"""Slack's side: the transports, the entry points, the replies, what they look like, the Web API."""
