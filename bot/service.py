"""The composition root: what `fsessions serve` starts, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from bot import logs
from bot.connections import Connections, open_connections
from bot.core.access import Access
from bot.core.audit import Audit
from bot.core.insight import Insights
from bot.core.lookup import Limits, Lookup
from bot.core.read_audit import ReadAudit
from bot.errors import SettingsError
from bot.features import FEATURES, HELP_LINES
from bot.fullstory.client import FullstoryClient, client_of
from bot.health import Health
from bot.listener import Address, CantListen, address_of, is_optional, listen
from bot.settings import Settings
from bot.slack import http as slack_http
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.delivery import Delivery
from bot.slack.feature import HelpLines, create
from bot.slack.lookups import Lookups
from bot.slack.presses import Presses
from bot.slack.recents import Recents
from bot.slack.response_url import ResponseUrls
from bot.slack.search_modal import SearchModal
from bot.slack.sharing import Sharing
from bot.slack.signing import Signer
from bot.slack.socket_mode import SocketMode
from bot.slack.targets import Targets
from bot.slack.users import Users
from bot.slack.web_api import SlackClient, WebApi, slack_client
from bot.store.memory import InMemory
from bot.store.protocol import Shared, State
from bot.store.stores import Stores, audit_of, open_stores
from bot.timeouts import Timeouts, end

_log = structlog.get_logger()


class Service:
    """The started bot: where it listens, and whether it is ready."""

    def __init__(self, health: Health, socket_mode: SocketMode | None, stores: Stores) -> None:
        self.health = health
        self._stores = stores
        self._socket_mode = socket_mode
        self.port = 0
        self.is_draining = False
        self.connecting = asyncio.create_task(socket_mode.run()) if socket_mode else None

    @property
    def events_dropped(self) -> int:
        """How many events of the audit are only in the log."""
        return self._stores.audit.dropped if self._stores.audit else 0

    def remarks(self) -> dict[str, str]:
        """Return problems that don't keep the bot from serving, for `/readyz`."""
        shared = self._stores.shared
        if shared is None or not shared.is_unavailable:
            return {}
        return {"database": "unavailable; using in-process state"}

    def state(self) -> str:
        """Return `starting`, `ready` or `draining`."""
        if self.is_draining:
            return "draining"
        return (
            "ready" if self._socket_mode is None or self._socket_mode.was_connected else "starting"
        )

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises `SettingsError` if Slack rejects a token."""
        stopping = asyncio.create_task(stop.wait())
        checking = asyncio.create_task(self._check())
        running = {stopping, checking} | ({self.connecting} if self.connecting else set())
        try:
            while not stopping.done():
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            stopping.cancel()
            await end(checking)

    async def _check(self) -> None:
        """Check the token and the key, again and again.

        Raises `SettingsError` if Slack rejects the bot token at the start: no one would get an
        answer. Later, a restart would not help, and those who ask are told why.
        """
        await self.health.check_token()
        if self.health.token_error:
            raise SettingsError([f"SLACK_BOT_TOKEN: Slack says {self.health.token_error}"])
        await self.health.check_key()
        await self.health.run()


class SlackParts:
    """The components of the Slack side, put together from the settings."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        fullstory: FullstoryClient,
        background: BackgroundTasks,
        timeouts: Timeouts,
        audit: Audit,
        shared: Shared,
    ) -> None:
        client = slack_client(settings, connections.slack, settings.bot_token, timeouts)
        self.web_api = WebApi(client)
        users = Users(self.web_api, timeouts)
        access = Access(users, settings.access_rules)
        self.lookup = lookup = Lookup(
            fullstory,
            access,
            audit,
            is_ending=lambda: background.is_draining and not shared.durable,
            replay_at_moment=settings.replay_at_moment,
            # Counted here, not in the database: a lookup would wait for it.
            limits=Limits(settings.max_lookups_in_flight, settings.lookups_per_minute, InMemory()),
        )
        signer = Signer(settings.signing_keys)
        recents = Recents(shared, background, settings.hours_in_home)
        lookups = Lookups(lookup, audit, self.web_api, users, signer, recents, settings)
        insights = Insights(
            fullstory,
            shared,
            audit,
            settings.insights_per_day,
        )
        targets = Targets(ResponseUrls(connections.response_urls, timeouts), self.web_api)
        delivery = Delivery(background, settings, timeouts)
        presses = Presses(signer, audit, shared, targets, delivery)
        self.components: Mapping[object, Any] = {
            Settings: settings,
            FullstoryClient: fullstory,
            Timeouts: timeouts,
            Audit: audit,
            State: shared,
            BackgroundTasks: background,
            WebApi: self.web_api,
            Lookup: lookup,
            Lookups: lookups,
            Insights: insights,
            ReadAudit: ReadAudit(audit, access, settings.auditors, timeouts),
            Signer: signer,
            Recents: recents,
            Targets: targets,
            Delivery: delivery,
            Presses: presses,
            Sharing: Sharing(settings, audit, presses, targets, self.web_api, background),
            SearchModal: SearchModal(self.web_api, lookups, signer, settings),
            HelpLines: HELP_LINES,
        }
        self.app = App(
            slack_client(settings, connections.slack), settings, shared, targets, background
        )
        for feature in FEATURES:
            create(feature, self.components).register(self.app)


@asynccontextmanager
async def running(
    settings: Settings,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> AsyncIterator[Service]:
    """Start the bot; on leaving, finish work in progress and end it. Raises `CantListen`."""
    async with AsyncExitStack() as stack:
        stack.callback(_log.info, "stopped")
        stores = await stack.enter_async_context(open_stores(settings, timeouts))
        connections = await stack.enter_async_context(open_connections())
        background = BackgroundTasks(timeouts)
        # Once no new request can come: finish those that came while draining.
        stack.push_async_callback(background.drain)
        fullstory = client_of(settings, connections.fullstory, timeouts.sessions_kept)
        slack = SlackParts(
            settings,
            connections,
            fullstory,
            background,
            timeouts,
            audit_of(settings, stores.audit),
            stores.shared or InMemory(),
        )
        if stores.shared:
            sharing = stores.shared.run(slack.app.resume, lambda: not background.is_draining)
            stack.push_async_callback(stores.shared.finish, asyncio.create_task(sharing))
        client = slack_client(settings, connections.slack)
        socket_mode = _socket_mode(settings, slack.app, client, connections, background, timeouts)
        health = Health(slack.web_api, fullstory, socket_mode, timeouts)
        service = Service(health, socket_mode, stores)
        if settings.metrics_port is not None:
            await _serve_metrics(settings, timeouts, stack, stores, health, slack.lookup)
        if service.connecting:
            stack.push_async_callback(end, service.connecting)
        web_app = slack_http.health_app(service.state, health.problems, service.remarks)
        if settings.slack_signing_secret and not socket_mode:
            secret = settings.slack_signing_secret.get_secret_value()
            slack_http.add_slack_events(web_app, slack.app, secret, background, timeouts.body)
        transport = "Socket Mode" if socket_mode else "HTTP"
        try:
            service.port = await listen(web_app, address_of(settings), timeouts, stack)
            _log.info("listening", host=settings.host, port=service.port, transport=transport)
        except CantListen:
            if not is_optional(settings):
                raise
        try:
            yield service
        finally:
            service.is_draining = True
            _log.info("draining")
            unfinished = await background.drain()
            _log.info("drained", unfinished=unfinished)


def _socket_mode(
    settings: Settings,
    app: App,
    client: SlackClient,
    connections: Connections,
    background: BackgroundTasks,
    timeouts: Timeouts,
) -> SocketMode | None:
    if settings.slack_app_token is None:
        return None
    token = settings.slack_app_token.get_secret_value()
    return SocketMode(app, client, connections.slack, token, background, timeouts)


async def _serve_metrics(
    settings: Settings,
    timeouts: Timeouts,
    stack: AsyncExitStack,
    stores: Stores,
    health: Health,
    lookup: Lookup,
) -> None:
    from bot.metrics import EventLoopLag, Metrics, Values

    lag = EventLoopLag()
    stack.push_async_callback(end, asyncio.create_task(lag.run()))
    totals: Values = {"log_lines_lost": ("Log lines that could not be written", logs.lines_lost)}
    gauges: Values = {
        "lookups_in_flight": ("Lookups in progress", lambda: lookup.in_flight),
        "event_loop_lag_seconds": ("Longest delay in the last minute", lambda: lag.longest),
        "slack_token_accepted": ("1 while Slack accepts it", lambda: not health.token_error),
        "slack_connected": (
            "1 while Slack can reach the bot, as far as it knows",
            lambda: health.is_connected,
        ),
        "fullstory_key_accepted": (
            "1 while Fullstory accepts it",
            lambda: not health.is_key_refused,
        ),
    }
    if events := stores.audit:
        about = "Audit events that are only in the log"
        totals["audit_events_dropped"] = about, lambda: events.dropped
        about = "Audit events that are not in the database yet"
        gauges["audit_events_waiting"] = about, lambda: events.waiting
    if shared := stores.shared:
        about = "1 while the database answers; otherwise this process uses its own memory"
        gauges["database_up"] = about, lambda: not shared.is_unavailable
        gauges["pending_jobs"] = "Jobs that this process has to finish", lambda: shared.pending
    metrics = Metrics(totals, gauges)
    lookup.observe = metrics.observe
    names = ("HOST", "METRICS_PORT")
    address = Address(settings.metrics_host, settings.metrics_port or 0, names)
    port = await listen(metrics.app(), address, timeouts, stack)
    _log.info("metrics", host=settings.metrics_host, port=port)
