"""The composition root: what `fsessions serve` starts, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from bot.connections import Connections, open_connections
from bot.core.access import Access
from bot.core.audit import Audit
from bot.core.insight import Insights
from bot.core.lookup import Lookup
from bot.core.read_audit import ReadAudit
from bot.errors import KeyRejected, SettingsError, SlackError
from bot.features import FEATURES, HELP_LINES
from bot.fullstory.client import FullstoryClient, client_of
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
from bot.slack.web_api import TOKEN_ERRORS, SlackClient, WebApi, slack_client
from bot.store.memory import InMemory
from bot.store.protocol import Shared, State
from bot.store.stores import Stores, audit_of, open_stores
from bot.timeouts import Timeouts, end

if TYPE_CHECKING:
    from bot.metrics import Metrics

_log = structlog.get_logger()


class Service:
    """The started bot: where it listens, and whether it is ready."""

    def __init__(
        self,
        web_api: WebApi,
        fullstory: FullstoryClient,
        socket_mode: SocketMode | None,
        stores: Stores,
    ) -> None:
        self._web_api = web_api
        self._fullstory = fullstory
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
        return "ready" if self._socket_mode is None or self._socket_mode.connected else "starting"

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises `SettingsError` if Slack rejects a token."""
        stopping = asyncio.create_task(stop.wait())
        checks = [
            asyncio.create_task(self._check_token()),
            asyncio.create_task(self._check_key()),
        ]
        running = {stopping, checks[0]} | ({self.connecting} if self.connecting else set())
        try:
            while not stopping.done():
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            stopping.cancel()
            for check in checks:
                await end(check)

    async def _check_token(self) -> None:
        """Raise `SettingsError` if Slack rejects the bot token: no one would get an answer."""
        try:
            await self._web_api.bot_identity()
        except SlackError as error:
            if error.code in TOKEN_ERRORS:
                raise SettingsError([f"SLACK_BOT_TOKEN: Slack says {error.code}"]) from None
            _log.warning("bot token not checked: Slack doesn't answer", exc_info=error)

    async def _check_key(self) -> None:
        """Log that Fullstory rejects the key, before the first person finds out."""
        try:
            await self._fullstory.organization()
        except KeyRejected:
            _log.error("Fullstory rejects FULLSTORY_API_KEY: every lookup will fail")
        except Exception as error:  # noqa: BLE001 - the bot can serve all the same
            _log.warning("API key not checked: Fullstory doesn't answer", exc_info=error)


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
        metrics: Metrics | None = None,
    ) -> None:
        client = slack_client(settings, connections.slack, settings.bot_token, timeouts)
        self.web_api = WebApi(client)
        users = Users(self.web_api, timeouts)
        access = Access(users, settings.access_rules)
        lookup = Lookup(
            fullstory,
            access,
            audit,
            metrics.observe if metrics else None,
            is_ending=lambda: background.is_draining and not shared.durable,
            replay_at_moment=settings.replay_at_moment,
        )
        signer = Signer(settings.signing_keys)
        recents = Recents(shared, background, settings.hours_in_home)
        lookups = Lookups(lookup, audit, self.web_api, users, signer, recents, settings)
        insights = Insights(
            fullstory,
            shared,
            audit,
            settings.insights_per_day,
            metrics.observe_insight if metrics else None,
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
        metrics = await _metrics(settings, timeouts, stack, stores)
        fullstory = client_of(settings, connections.fullstory)
        slack = SlackParts(
            settings,
            connections,
            fullstory,
            background,
            timeouts,
            audit_of(settings, stores.audit),
            stores.shared or InMemory(),
            metrics,
        )
        if stores.shared:
            sharing = stores.shared.run(slack.app.resume, lambda: not background.is_draining)
            stack.push_async_callback(stores.shared.finish, asyncio.create_task(sharing))
        client = slack_client(settings, connections.slack)
        socket_mode = _socket_mode(settings, slack.app, client, connections, background, timeouts)
        service = Service(slack.web_api, fullstory, socket_mode, stores)
        if service.connecting:
            stack.push_async_callback(end, service.connecting)
        web_app = slack_http.health_app(service.state, service.remarks)
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


async def _metrics(
    settings: Settings, timeouts: Timeouts, stack: AsyncExitStack, stores: Stores
) -> Metrics | None:
    if settings.metrics_port is None:
        return None
    from bot.metrics import Metrics

    shared = stores.shared
    metrics = Metrics(stores.audit, (lambda: shared.is_unavailable) if shared else None)
    names = ("HOST", "METRICS_PORT")
    address = Address(settings.metrics_host, settings.metrics_port, names)
    port = await listen(metrics.app(), address, timeouts, stack)
    _log.info("metrics", host=settings.metrics_host, port=port)
    return metrics
