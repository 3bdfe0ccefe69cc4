"""Slack's Web API: the client, who is who, posts."""
