"""The bot as a running process: what `fsessions serve` starts, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp

from bot.connections import Connections, open_connections
from bot.core.audit import Audit
from bot.core.lookup import Lookup, Observe, Sessions
from bot.core.permission import Access
from bot.core.read_audit import ReadAudit
from bot.errors import KeyRejected, SettingsError, SlackError
from bot.fullstory.client import FullstoryClient, client_of
from bot.ports import BACKLOG, Address, CantListen, address_of, may_do_without
from bot.settings import Settings
from bot.slack import http as slack_http
from bot.slack.answers import Answers
from bot.slack.app import COMMAND, HELP_LINES, build_app, resume_jobs, routes
from bot.slack.background import BackgroundTasks
from bot.slack.delivery import Delivery
from bot.slack.identity import Workspace
from bot.slack.presses import Presses
from bot.slack.response_url import ResponseUrls
from bot.slack.services import Services
from bot.slack.slack_api import SlackApi
from bot.slack.socket_mode import SocketMode
from bot.slack.targets import Targets
from bot.slack.views import Views
from bot.slack.web_api import TOKEN_ERRORS, slack_client
from bot.store.memory import InMemory
from bot.store.protocol import Shared
from bot.store.stores import Stores, audit_of, open_stores
from bot.timeouts import Timeouts, end

_log = structlog.get_logger()

_LONGEST_HEADER: Final = 32 * 1024
"""Bytes: proxies pass on chains of client certificates."""


class Service:
    """The started bot: where it listens, and whether it is ready."""

    def __init__(
        self,
        workspace: Workspace,
        fullstory: FullstoryClient,
        socket_mode: SocketMode | None,
        stores: Stores,
    ) -> None:
        self._fullstory = fullstory
        self.port = 0
        self.draining = False
        self._stores = stores
        self._workspace = workspace
        self._socket_mode = socket_mode
        self.connecting = asyncio.create_task(socket_mode.run()) if socket_mode else None

    @property
    def events_dropped(self) -> int:
        """How many events of the audit are in the log alone."""
        return self._stores.audit.dropped if self._stores.audit else 0

    def remarks(self) -> dict[str, str]:
        """What is no reason not to serve."""
        away = self._stores.shared is not None and self._stores.shared.is_unavailable
        return {"shared_state": "away: this process goes on alone"} if away else {}

    def state(self) -> str:
        """`starting`, `ready` or `draining`."""
        if self.draining:
            return "draining"
        return "ready" if self._socket_mode is None or self._socket_mode.connected else "starting"

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises `SettingsError` if Slack rejects a token."""
        stopping = asyncio.create_task(stop.wait())
        verifying = asyncio.create_task(_verify_token(self._workspace))
        asking = asyncio.create_task(_verify_key(self._fullstory))
        going_on = {stopping, verifying} | ({self.connecting} if self.connecting else set())
        try:
            while not stopping.done():
                done, going_on = await asyncio.wait(going_on, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            stopping.cancel()
            await end(verifying)
            await end(asking)


async def _verify_token(workspace: Workspace) -> None:
    """Whether the bot token is good: with a wrong one, nobody would ever get an answer.

    Raises `SettingsError` if Slack says that it is not. That Slack can't be asked says nothing.
    """
    try:
        await workspace.bot_identity()
    except SlackError as error:
        if error.code in TOKEN_ERRORS:
            raise SettingsError([f"SLACK_BOT_TOKEN: Slack says {error.code}"]) from None
        _log.warning("Slack can't be asked who the bot is", exc_info=error)


async def _verify_key(fullstory: FullstoryClient) -> None:
    """Say in the log that the key is no good, before the first person finds out."""
    try:
        await fullstory.organisation()
    except KeyRejected:
        _log.error("Fullstory does not accept FULLSTORY_API_KEY: every lookup will fail")
    except Exception as error:  # noqa: BLE001 - it is no reason not to serve
        _log.warning("Fullstory can't be asked about the key", exc_info=error)


def build_services(
    settings: Settings,
    connections: Connections,
    fullstory: Sessions,
    background: BackgroundTasks,
    timeouts: Timeouts,
    audit: Audit,
    shared: Shared,
    observe: Observe = lambda *_: None,
) -> Services:
    """What the entry points work with, put together from the settings.

    What several processes have to know is in `shared`; what Slack answered is for each alone.
    """
    client = slack_client(settings, connections.slack, settings.bot_token, timeouts)
    slack = SlackApi.of(client, InMemory(), timeouts)
    access = Access(slack.colleagues, settings.access_rules)
    find = Lookup(fullstory, access, audit, observe, replay_at_moment=settings.replay_at_moment)
    urls = ResponseUrls(connections.response_urls, timeouts)
    return Services(
        command=COMMAND,
        help_lines=HELP_LINES,
        settings=settings,
        timeouts=timeouts,
        state=shared,
        jobs=shared,
        slack=slack,
        answers=Answers(find, slack, settings, lambda: background.draining and not shared.durable),
        read_audit=ReadAudit(audit, access, settings.auditors, timeouts),
        targets=Targets(urls, slack.posts),
        delivery=Delivery(background, settings, timeouts),
        background=background,
        views=Views(client),
        presses=Presses(shared),
    )


@asynccontextmanager
async def running(
    settings: Settings,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> AsyncIterator[Service]:
    """Start the bot; on leaving, finish what is in flight and end it. Raises `CantListen`."""
    async with AsyncExitStack() as stack:
        stack.callback(_log.info, "stopped")
        stores = await stack.enter_async_context(open_stores(settings, timeouts))
        connections = await stack.enter_async_context(open_connections())
        background = BackgroundTasks(timeouts)
        # Runs when nothing new can come any more: for what came while we were draining.
        stack.push_async_callback(background.drain)
        observe = await _metrics(settings, timeouts, stack, stores)
        fullstory = client_of(settings, connections.fullstory)
        audit = audit_of(settings, stores.audit)
        shared = stores.shared or InMemory()
        services = build_services(
            settings, connections, fullstory, background, timeouts, audit, shared, observe
        )
        listening = routes(services)
        app = build_app(services, slack_client(settings, connections.slack), listening)
        if stores.shared:
            sharing = stores.shared.run(
                resume_jobs(services, listening), lambda: not background.draining
            )
            stack.push_async_callback(stores.shared.finish, asyncio.create_task(sharing))
        socket_mode = _socket_mode(settings, app, connections, background, timeouts)
        service = Service(services.slack.workspace, fullstory, socket_mode, stores)
        if service.connecting:
            stack.push_async_callback(end, service.connecting)
        web_app = slack_http.health_app(service.state, service.remarks)
        if settings.slack_signing_secret and not socket_mode:
            secret = settings.slack_signing_secret.get_secret_value()
            slack_http.add_slack_events(web_app, app, secret, background, timeouts.body)
        server = await _listen_if_needed(web_app, settings, timeouts, stack)
        service.port = _port_of(server) if server else 0
        try:
            yield service
        finally:
            service.draining = True
            _log.info("draining")
            unfinished = await background.drain()
            _log.info("drained", unfinished=unfinished)


async def _listen_if_needed(
    web_app: web.Application, settings: Settings, timeouts: Timeouts, stack: AsyncExitStack
) -> asyncio.Server | None:
    """Listen; return None where the port is taken, and only health probes would come there."""
    try:
        server = await _listen(web_app, address_of(settings), timeouts, stack)
    except CantListen:
        if not may_do_without(settings):
            raise
        return None
    transport = "Socket Mode" if settings.socket_mode else "HTTP"
    host = server.sockets[0].getsockname()[0]
    _log.info("listening", host=host, port=_port_of(server), transport=transport)
    return server


def _port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def _socket_mode(
    settings: Settings,
    app: AsyncApp,
    connections: Connections,
    background: BackgroundTasks,
    timeouts: Timeouts,
) -> SocketMode | None:
    if settings.slack_app_token is None:
        return None
    token = settings.slack_app_token.get_secret_value()
    return SocketMode(
        app,
        slack_client(settings, connections.slack),
        connections.slack,
        token,
        background,
        timeouts,
    )


async def _metrics(
    settings: Settings, timeouts: Timeouts, stack: AsyncExitStack, stores: Stores
) -> Observe:
    if settings.metrics_port is None:
        return lambda *_: None
    from bot.metrics import Metrics

    shared = stores.shared
    metrics = Metrics(stores.audit, (lambda: shared.is_unavailable) if shared else None)
    address = Address(
        settings.metrics_host, settings.metrics_port, ("METRICS_HOST", "METRICS_PORT")
    )
    server = await _listen(metrics.app(), address, timeouts, stack)
    _log.info("metrics", host=settings.metrics_host, port=_port_of(server))
    return metrics.observe


async def _listen(
    web_app: web.Application, where: Address, timeouts: Timeouts, stack: AsyncExitStack
) -> asyncio.Server:
    runner = web.AppRunner(web_app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    loop = asyncio.get_running_loop()

    def connection() -> web.RequestHandler:
        assert runner.server is not None  # noqa: S101 - it is set up
        return slack_http.Connection(
            runner.server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # aiohttp takes it for "none"
            auto_decompress=False,  # a signature is over the bytes as they came
            keepalive_timeout=timeouts.idle,
            lingering_time=0,  # what is refused is not read to its end
            max_field_size=_LONGEST_HEADER,
        )

    try:
        server = await loop.create_server(connection, where.host, where.port, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise CantListen(*where, error) from error
    stack.push_async_callback(_stop_listening, server)
    return server


async def _stop_listening(server: asyncio.Server) -> None:
    """Accept nothing more; `runner.cleanup`, which follows, knows what was accepted before.

    A connection that is accepted while its server closes would never be closed, in Python 3.11:
    https://github.com/python/cpython/issues/109564
    """
    loop = asyncio.get_running_loop()
    for opened in server.sockets:
        with suppress(RuntimeError):  # uvloop does it by itself
            loop.remove_reader(opened.fileno())
    for _ in range(5):  # turns of the loop that a connection takes from its accept to its handler
        await asyncio.sleep(0)
    server.close()
