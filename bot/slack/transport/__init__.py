"""How Slack's requests come in: HTTP and Socket Mode."""
