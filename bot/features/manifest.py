"""`make manifests`: the app manifests, from the table of entry points.

There are two: with the step of Workflow Builder, and without it for apps that can't have one.
https://docs.slack.dev/reference/app-manifest
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

from bot.features.message_shortcut import FIND_SESSIONS, FIND_SESSIONS_FROM_MESSAGE
from bot.features.workflow_step import FIND_SESSIONS_STEP
from bot.slack.app import COMMAND, EVENTS, OPTIONAL_SCOPES, SCOPES, USAGE_HINT

FILES: Final = {"app-manifest.yml": True, "app-manifest-without-step.yml": False}
"""Each file, and whether it has the step."""

_HEAD: Final = f"""\
# The Slack app, as api.slack.com/apps takes it ("Create New App", "From a manifest").
# Over HTTP: replace your-host.example.com (three places) by the host the bot runs on.
# With Socket Mode: set socket_mode_enabled to true; the addresses are then not used.
{{remark}}
# Made by `make manifests`: change it there.
display_information:
  name: fsessions
  description: A customer's latest Fullstory sessions, without leaving Slack
  background_color: "#2b2d42"
features:
  app_home:
    home_tab_enabled: true
    # People write to the bot there.
    messages_tab_enabled: true
    messages_tab_read_only_enabled: false
  bot_user:
    display_name: fsessions
    always_online: true
  slash_commands:
    - command: {COMMAND}
      url: https://your-host.example.com/slack/events
      description: A customer's latest Fullstory sessions
      usage_hint: {USAGE_HINT}
      # Makes names of colleagues arrive as their ids.
      should_escape: true
  shortcuts:
    - name: Find sessions
      type: message
      callback_id: {FIND_SESSIONS_FROM_MESSAGE}
      description: The Fullstory sessions of the person in this message
    - name: Find sessions
      type: global
      callback_id: {FIND_SESSIONS}
      description: A customer's latest Fullstory sessions
"""

_REMARKS: Final = {
    True: "# On a free plan, or for an app that is to be listed publicly: "
    "app-manifest-without-step.yml.",
    False: "# This is app-manifest.yml without the step of Workflow Builder: for free plans, which "
    "have no custom\n# steps, and for apps that are to be listed publicly, which can't have any.",
}

_STEP: Final = f"""\
# The step "Find Fullstory sessions" of Workflow Builder.
functions:
  {FIND_SESSIONS_STEP}:
    title: Find Fullstory sessions
    description: >-
      A customer's latest sessions, for the next steps of a workflow. Nobody sees them until a step
      shows them; what you put into a channel's message is seen by the whole channel.
    input_parameters:
      person:
        name: person
        type: string
        title: Person
        description: An e-mail or uid; or a text that holds one, such as a form's answer
        is_required: true
      limit:
        name: limit
        type: integer
        title: How many
        description: 20 if you leave it empty
        is_required: false
      moment:
        name: moment
        type: string
        title: Moment
        description: When it happened, like 2026-11-22T14:05Z; finds the session closest before it
        is_required: false
      show_to:
        name: show_to
        type: slack#/types/user_id
        title: Show privately to
        description: This person is shown the sessions; nobody else is
        is_required: false
      show_in:
        name: show_in
        type: slack#/types/channel_id
        title: In channel
        description: Where; in a direct message if you leave it empty
        is_required: false
      workflow:
        name: workflow
        type: string
        title: Name of the workflow
        description: Only if your administrator gave you one, to allow this workflow
        is_required: false
    output_parameters:
      count:
        name: count
        type: integer
        title: Number of sessions
        description: 0 if there are none
        is_required: true
      latest:
        name: latest
        type: string
        title: Link to the latest session
        description: Empty if there are none. Seen by everybody to whom you show it
        is_required: false
      at_moment:
        name: at_moment
        type: string
        title: Link to the session at the moment
        description: Empty if none started just before. Seen by everybody to whom you show it
        is_required: false
      replay:
        name: replay
        type: string
        title: Replay at the moment
        description: Opens that session at the moment. Seen by everybody to whom you show it
        is_required: false
      list:
        name: list
        type: string
        title: List of sessions
        description: A line each, under the person. Seen by everybody to whom you show it
        is_required: true
      person:
        name: person
        type: string
        title: Person as understood
        description: The e-mail or uid. Seen by everybody to whom you show it
        is_required: true
"""

_SETTINGS: Final = """\
  interactivity:
    is_enabled: true
    request_url: https://your-host.example.com/slack/events
"""

_REMOTE: Final = """\
  # Custom steps ask for these two.
  function_runtime: remote
"""


def manifest(*, with_step: bool) -> str:
    """A manifest as YAML, with a comment at each scope that says why."""
    events = [one for one in EVENTS if with_step or one != "function_executed"]
    return "".join(
        [
            _HEAD.replace("{remark}", _REMARKS[with_step]),
            _STEP if with_step else "",
            "oauth_config:\n  scopes:\n    bot:\n",
            *(f"{_comment(why, 6)}      - {scope}\n" for scope, why in SCOPES.items()),
            *(f"{_comment(why, 6)}      # - {scope}\n" for scope, why in OPTIONAL_SCOPES.items()),
            "settings:\n  event_subscriptions:\n",
            "    request_url: https://your-host.example.com/slack/events\n    bot_events:\n",
            *(f"      - {event}\n" for event in events),
            _SETTINGS,
            _REMOTE if with_step else "",
            f"  org_deploy_enabled: {str(with_step).lower()}\n",
            "  socket_mode_enabled: false\n  token_rotation_enabled: false\n",
        ]
    )


def _comment(text: str, indent: int) -> str:
    lines = textwrap.wrap(text, 98 - indent)
    return "".join(f"{' ' * indent}# {line}\n" for line in lines)


if __name__ == "__main__":
    for name, with_step in FILES.items():
        (Path(__file__).parents[2] / name).write_text(manifest(with_step=with_step))
