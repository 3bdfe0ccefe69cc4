"""fsessions: a Slack bot that answers with links to a customer's latest Fullstory sessions."""

__version__ = "0.1.0"
