"""What the bot can do through Slack's Web API, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from bot.slack.identity import Workspace
from bot.slack.posts import Posts
from bot.slack.profiles import Profiles
from bot.slack.users import Colleagues
from bot.slack.web_api import SlackClient
from bot.store.protocol import State
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
