"""What the bot can do through Slack's Web API, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from bot.slack.api.client import SlackClient
from bot.slack.api.colleagues import Colleagues
from bot.slack.api.identity import Workspace
from bot.slack.api.posts import Posts
from bot.slack.api.profiles import Profiles
from bot.state.protocol import State
from bot.timeouts import Timeouts


@dataclass(frozen=True, slots=True)
class SlackApi:
    """`client` carries the bot token; the others are views of it."""

    client: SlackClient
    workspace: Workspace
    profiles: Profiles
    posts: Posts
    colleagues: Colleagues

    @classmethod
    def of(cls, client: SlackClient, state: State, timeouts: Timeouts) -> SlackApi:
        """All of it over one client."""
        workspace, profiles = Workspace(client, state), Profiles(client, timeouts)
        colleagues = Colleagues(client, profiles, workspace, state, timeouts)
        return cls(client, workspace, profiles, Posts(client), colleagues)
