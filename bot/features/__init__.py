"""The ways to ask in Slack, one module each; none knows another."""
