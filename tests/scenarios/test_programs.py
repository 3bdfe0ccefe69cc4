"""The programs as people start them: their own processes, real signals, real exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psycopg
import pytest

from bot.cli.check import slack as check_slack
from bot.cli.check.database import clocks
from bot.connections import open_connections
from bot.features import scopes
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import CHANNEL, MANAGER, TICKETS, USER
from bot.settings import Settings
from bot.slack import texts
from tests.conftest import both_transports, migrated, until
from tests.databases import Postgres, is_installed
from tests.programs import HERE, ROOT, check, environment, run, serving, start


async def test_demo_once() -> None:
    """The README's first promise: exactly three links."""
    code, out, err = await run("demo", "--once", "/fsessions jane@example.com 3")
    assert (code, err) == (0, "")
    assert out.count("https://") == 3
    assert out.count("https://app.fullstory.com/") == 3


async def test_demo_prompt() -> None:
    """A first command, the people to try, replies, and the end of input."""
    typed = "help\n/fsessions omar@example.com\nzoe@example.com\nslow@example.com\n"
    code, out, err = await run("demo", typed=typed)
    assert (code, err) == (0, "")
    assert "/fsessions jane@example.com 3" in out
    assert "jürgen@müller.example" in out
    assert "omar@example.com\n  ┃ 1 session" in out
    assert "No sessions found for zoe@example.com" in out
    assert "This search takes longer" in out
    assert "slow@example.com\n  ┃ 4 sessions" in out


async def test_demo_first_screen() -> None:
    """In its order: what is typed, its answer, and only then a prompt; no one else's answers."""
    code, out, _ = await run("demo", "--no-browser", typed="")
    assert code == 0
    order = ("This is the real bot", "types: /fsessions", "Latest 3 sessions", "Now you", " > ")
    assert [out.count(one) for one in order] == [1] * len(order)
    assert sorted(order, key=out.index) == list(order)
    assert "Everybody there sees" not in out


async def test_demo_shows_ones_own_answers() -> None:
    """What another person asks in the page is not rendered here."""
    process = await start("demo", "--no-browser")
    address = await address_of(process)
    async with aiohttp.ClientSession(headers={"Origin": address}) as http:
        for person, text in ((MANAGER, "/fsessions omar@example.com"), (USER, "/fsessions 7")):
            asked = {"do": "say", "as": person, "text": text, "channel": CHANNEL}
            async with http.post(f"{address}/api/do", json=asked) as response:
                assert response.status == 200
    async with asyncio.timeout(15):
        out, _ = await process.communicate(b"")
    assert b"sessions found for 7" in out
    assert b"1 session" not in out


async def test_demo_serves_its_page() -> None:
    """At an address that it says, one for each demo; the prompt continues working; then it ends."""
    demos = [await start("demo", "--no-browser") for _ in range(2)]
    try:
        addresses = [await address_of(process) for process in demos]
        assert len(set(addresses)) == 2
        for process, address in zip(demos, addresses, strict=True):
            async with aiohttp.ClientSession() as http:
                async with http.get(address) as response:
                    assert "<title>fsessions" in await response.text()
                # A page that is open does not keep the demo from ending.
                async with http.get(f"{address}/api/changes"), asyncio.timeout(15):
                    out, err = await process.communicate(b"/fsessions omar@example.com\n")
            assert (process.returncode, err) == (0, b"")
            assert b"1 session" in out
    finally:
        for process in demos:
            if process.returncode is None:
                process.kill()
                await process.communicate()


async def address_of(demo: Process) -> str:
    """Return what a demo says, before its prompt."""
    assert demo.stdout
    said = b""
    async with asyncio.timeout(15):
        while b"Now you" not in said:
            said += await demo.stdout.readline()
    (address,) = re.findall(r"http://localhost:\d+", said.decode())
    return str(address)


async def test_demo_needs_and_reads_no_settings(tmp_path: Path) -> None:
    """Not even those of a real deployment that lie around."""
    (tmp_path / ".env").write_text("PORT=nonsense\nFULLSTORY_API_URL=https://example.net\n")
    env = {"FULLSTORY_API_KEY": "real", "SLACK_CLIENT_ID": "1", "SLACK_CLIENT_SECRET": "2"}
    code, out, _ = await run("demo", "--once", "/fsessions omar@example.com", env=env, cwd=tmp_path)
    assert code == 0
    assert out.count("https://") == 1


async def test_demo_ends_with_ctrl_c() -> None:
    """At once, without a traceback."""
    process = await start("demo")
    assert process.stdout is not None
    async with asyncio.timeout(15):
        while b"Ctrl-C" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert b"Traceback" not in err


@both_transports
async def test_serve(slack: SlackSandbox, fullstory: FullstorySandbox, transport: str) -> None:
    """The bot against any Slack and Fullstory: a signed command gets its links."""
    env = environment(slack, fullstory)
    if transport == "socket":
        env |= {"SLACK_APP_TOKEN": slack.app_token}
        del env["SLACK_SIGNING_SECRET"]
    async with serving(slack, env) as (process, _):
        exchange = await slack.command("/fsessions jane@example.com 3")
        assert exchange.ack is not None
        assert json.dumps(exchange.ack["blocks"]).count("https://") == 3
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == 0


@both_transports
async def test_sigterm_finishes_what_is_in_flight(
    slack: SlackSandbox, fullstory: FullstorySandbox, transport: str
) -> None:
    """The late answer still comes; `/readyz` says 503 meanwhile; then the process ends with 0."""
    env = environment(slack, fullstory, ANSWER_BUDGET_SECONDS="0.1")
    if transport == "socket":
        env |= {"SLACK_APP_TOKEN": slack.app_token}
    fullstory.script.append(Scripted(200, b"[]", seconds=1.0))
    async with serving(slack, env) as (process, port), aiohttp.ClientSession() as http:
        exchange = await slack.command("/fsessions jane@example.com")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # process managers do that
        statuses = set()
        while 503 not in statuses:
            async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
                statuses.add(response.status)
        async with http.get(f"http://127.0.0.1:{port}/healthz") as response:
            assert response.status == 200
        assert exchange.later == []
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert exchange.later[0]["text"].startswith("No sessions found for jane")


async def test_a_second_signal_ends_it_at_once(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Ctrl-C twice, for who can't wait."""
    fullstory.always = Scripted(seconds=30)
    env = environment(slack, fullstory, ANSWER_BUDGET_SECONDS="0.1", FULLSTORY_TIMEOUT_SECONDS="60")
    async with serving(slack, env) as (process, _):
        await slack.command("/fsessions jane@example.com")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while b"draining" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            # One that finishes what is in flight first exits with 0.
            assert await process.wait() != 0


async def test_nothing_personal_or_secret_in_any_log(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """At the loudest level, with everything going wrong that can."""
    env = environment(slack, fullstory, LOG_LEVEL="DEBUG", ANSWER_BUDGET_SECONDS="0.05")
    async with serving(slack, env) as (process, port):
        fullstory.script.append(Scripted(200, b'{"sessions": ["jane@example.com"]}', seconds=0.2))
        exchanges = [await slack.command("/fsessions jane@example.com")]
        slack.response_statuses.append(404)
        fullstory.script.append(Scripted(401, seconds=0.2))
        exchanges.append(await slack.command("/fsessions uid:jane@example.com"))
        exchanges.append(await slack.command("/unknown jane@example.com"))
        exchanges.append(await slack.command("/fsessions jane@example.com 0"))
        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{port}/slack/events"
            body = b"command=%2Ffsessions&text=jane@example.com"
            await http.post(url, data=body, headers={"X-Slack-Signature": "v0=abc"})
            await http.post(url, data=body, headers=slack.sign(b"other"))
        await exchanges[1].answer()  # the first met the 404
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            out, err = await process.communicate()
    log = (out + err).decode()
    assert "answer not delivered" in log
    assert "lookup failed" in log
    assert "request refused" in log
    secrets = [slack.bot_token, slack.signing_secret, fullstory.key, "jane", "/response/"]
    secrets += [exchange.response_url for exchange in exchanges]
    assert [secret for secret in secrets if secret in log] == []


async def test_wrong_settings() -> None:
    """Exit 2, every problem at once, on standard error."""
    code, out, err = await run("serve", env={"PORT": "x", "FULLSTORY_API_KEY": "s3cr et"})
    assert (code, out) == (2, "")
    for name in ("FULLSTORY_API_KEY", "PORT", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"):
        assert name in err
    assert "s3cr" not in err
    assert "Traceback" not in err


async def test_port_that_is_taken(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Exit 1, and what to do."""
    taken = slack.url.rpartition(":")[2]
    code, _, err = await run("serve", env=environment(slack, fullstory, PORT=taken))
    assert code == 1
    assert "Set PORT" in err
    assert "Traceback" not in err


async def test_metrics_port_that_is_taken(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """The setting that is meant is named."""
    taken = slack.url.rpartition(":")[2]
    code, _, err = await run("serve", env=environment(slack, fullstory, METRICS_PORT=taken))
    assert code == 1
    assert "Set METRICS_PORT" in err


async def test_socket_token_that_slack_rejects(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Exit 1, and which setting it is."""
    env = environment(slack, fullstory, SLACK_APP_TOKEN="xapp-wrong")
    code, _, err = await run("serve", env=env)
    assert code == 1
    assert "SLACK_APP_TOKEN: Slack says invalid_auth" in err
    assert "Traceback" not in err


async def test_bot_token_that_slack_rejects(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The same: with it, no one would ever get an answer."""
    code, _, err = await run("serve", env=environment(slack, fullstory, SLACK_BOT_TOKEN="xoxb-no"))
    assert code == 1
    assert "SLACK_BOT_TOKEN: Slack says invalid_auth" in err
    assert "Traceback" not in err


async def test_slack_in_trouble_at_the_start(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Says nothing about the token: the bot runs, and the log says why it isn't known."""
    slack.api_errors["auth.test"] = "internal_error"
    async with serving(slack, environment(slack, fullstory)) as (process, _):
        assert process.stderr is not None
        while b"bot token not checked" not in (line := await process.stderr.readline()):
            assert line
        assert b"internal_error" in line
        del slack.api_errors["auth.test"]
        exchange = await slack.command("/fsessions jane@example.com 3")
        assert exchange.ack is not None


def binds(one: socket.socket, port: int) -> bool:
    """Tell whether the port is ours now."""
    with suppress(OSError):
        one.bind(("127.0.0.1", port))
        return True
    return False


async def test_socket_mode_needs_no_port(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Where no one asked for one: it is on this machine alone, or not at all."""
    env = environment(slack, fullstory, SLACK_APP_TOKEN=slack.app_token)
    del env["HOST"], env["PORT"]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(TimeoutError):  # something of this machine's has it, which is as good
            await until(lambda: binds(taken, 3000), 60)  # demos of other tests have it for seconds
            taken.listen()
        process = await start("serve", env=env)
        await slack.connected()
        exchange = await slack.command("/fsessions jane@example.com 3")
        assert exchange.ack is not None
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            _, err = await process.communicate()
    assert b"no health probes" in err
    assert process.returncode == 0


async def test_wrong_usage() -> None:
    """Exit 2."""
    for arguments in (["sing"], ["serve", "--loud"], ["lookup"]):
        assert (await run(*arguments))[0] == 2


async def test_lookup(fullstory: FullstorySandbox) -> None:
    """A table for people; addresses whole; no spinner where there is no terminal."""
    env = {"FULLSTORY_API_KEY": fullstory.key, "FULLSTORY_API_URL": fullstory.url}
    code, out, err = await run("lookup", "jane@example.com", "3", env=env)
    assert (code, err) == (0, "")
    assert "Latest 3 sessions of jane@example.com" in out
    rows = [line.split()[-1] for line in out.splitlines() if "https://" in line]
    assert len(rows) == 3
    assert all(row.startswith("https://app.fullstory.com/ui/DEMO1/session/") for row in rows)
    code, out, err = await run("lookup", "slow@example.com", env=env)
    assert (code, err) == (0, "")
    code, out, _ = await run("lookup", "omar@example.com at:now", env=env)
    assert (code, out.count("https://")) == (0, 2)  # it, and it at the moment
    code, _, err = await run("lookup", "omar@example.com at:banana", env=env)
    assert (code, "don't understand the time “banana”" in err) == (0, True)
    code, out, _ = await run("lookup", "zoe@example.com", env=env)
    assert code == 0
    assert out.startswith("No sessions found for zoe@example.com\n")


async def test_lookup_says_what_the_terminal_cannot_know(fullstory: FullstorySandbox) -> None:
    """Who a mention is; and that no session fits a time."""
    env = {"FULLSTORY_API_KEY": fullstory.key, "FULLSTORY_API_URL": fullstory.url}
    code, _, err = await run("lookup", "@jane", env=env)
    assert (code, "The terminal doesn't know the people" in err) == (2, True)
    assert "pick" not in err
    code, out, _ = await run("lookup", 'omar@example.com at:"2020-01-01 10:00"', env=env)
    assert (code, texts.NOT_AT_MOMENT in out) == (0, True)


async def test_lookup_prints_links_letter_for_letter(fullstory: FullstorySandbox) -> None:
    """However long they are, and whatever they look like to a library for colours."""
    env = {"FULLSTORY_API_KEY": fullstory.key, "FULLSTORY_API_URL": fullstory.url, "COLUMNS": "40"}
    link = f"https://app.fullstory.com/s/[/foo][red]{'x' * 200}"
    item = {"id": "1:2", "created_time": 1700000000, "app_url": link}
    fullstory.always = Scripted(200, json.dumps({"results": [item]}).encode())
    code, out, err = await run("lookup", "jane@example.com", "limit:1", env=env)
    assert (code, err) == (0, "")
    assert link in out.splitlines()[-1]


async def test_lookup_on_a_terminal_that_waits(fullstory: FullstorySandbox) -> None:
    """A spinner after half a second, where a person can see it."""
    env = {"FULLSTORY_API_KEY": fullstory.key, "FULLSTORY_API_URL": fullstory.url, "TERM": "xterm"}
    for person, spins in (("slow@example.com", True), ("omar@example.com", False)):
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "lookup", person),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | env,
            cwd=HERE,
            stdout=PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        out, _ = await process.communicate()
        assert b"example.com" in out
        os.set_blocking(ours, False)
        shown = b""
        with suppress(OSError):
            while chunk := os.read(ours, 65536):
                shown += chunk
        os.close(ours)
        assert (b"Asking Fullstory" in shown) == spins


async def test_terminals_that_know_few_letters() -> None:
    """A question mark instead of a traceback."""
    env = {"PYTHONIOENCODING": "ascii"}
    code, out, err = await run("demo", "--once", "/fsessions help", env=env)
    assert (code, err) == (0, "")
    assert "/fsessions jane@example.com" in out


@pytest.mark.parametrize("typed", ["omar@example.com", " /fsessions omar@example.com "])
async def test_demo_once_takes_what_the_prompt_takes(typed: str) -> None:
    """With or without the command's name."""
    code, out, _ = await run("demo", "--once", typed)
    assert code == 0
    assert "https://app.fullstory.com/" in out


async def test_lookup_json(fullstory: FullstorySandbox) -> None:
    """For programs."""
    env = {"FULLSTORY_API_KEY": fullstory.key, "FULLSTORY_API_URL": fullstory.url}
    code, out, err = await run("lookup", 'uid:"a uid with spaces"', "2", "--json", env=env)
    assert (code, err) == (0, "")
    first, second = json.loads(out)
    assert set(first) == {
        "started",
        "link",
        "replay_at_moment",
        "fullstory_user_id",
        "session_id",
    }
    assert first["started"] > second["started"]


async def test_lookup_that_fails(fullstory: FullstorySandbox) -> None:
    """1 where Fullstory fails, 2 where the call is wrong; the reason on standard error."""
    env = {"FULLSTORY_API_KEY": "wrong", "FULLSTORY_API_URL": fullstory.url}
    code, out, err = await run("lookup", "jane@example.com", env=env)
    assert (code, out) == (1, "")
    assert "doesn't accept this bot's API key" in err
    code, out, err = await run("lookup", "jane@example.com", "0", env=env)
    assert (code, out) == (2, "")
    assert "no sessions at all" in err
    code, out, err = await run("lookup", "jane@gmail,com", env=env)
    assert (code, out) == (2, "")
    assert "Did you mean: fsessions lookup jane@gmail.com" in err
    code, out, err = await run("lookup", "jane@example.com omar@example.com", env=env)
    assert (code, err.count("fsessions lookup ")) == (2, 2)


async def test_check_where_all_is_well(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Exit 0, a line for each part; the signing secret can't be checked from here."""
    code, out, err = await run("check", env=environment(slack, fullstory))
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["✓", "✓", "?", "✓", "✓"]
    assert "Access  every full member of the workspace, no guests; everywhere" in out
    env = environment(slack, fullstory, SLACK_APP_TOKEN=slack.app_token)
    code, out, _ = await run("check", env=env)
    assert code == 0
    assert "✓ Slack app token" in out


@pytest.mark.parametrize(
    ("wrong", "part", "fix"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, "Slack token", "Bot User OAuth Token"),
        ({"SLACK_APP_TOKEN": "xapp-wrong"}, "Slack app token", "connections:write"),
        ({"FULLSTORY_API_KEY": "eu1.wrong"}, "Fullstory key", "Copy a key"),
        ({"FULLSTORY_API_URL": "http://127.0.0.1:1"}, "Fullstory key", "firewall"),
        ({"SLACK_API_URL": "http://127.0.0.1:1"}, "Slack token", "firewall"),
    ],
)
async def test_check_says_how_to_fix_it(
    slack: SlackSandbox, fullstory: FullstorySandbox, wrong: dict[str, str], part: str, fix: str
) -> None:
    """Exit 1; each part is judged for itself, and no secret is shown."""
    code, out, err = await run("check", env=environment(slack, fullstory) | wrong)
    assert (code, err) == (1, "")
    (at,) = [n for n, line in enumerate(out.splitlines()) if line.startswith("✗")]
    assert part in out.splitlines()[at]
    assert fix in out.splitlines()[at + 1]
    assert slack.bot_token not in out
    assert fullstory.key not in out


async def test_check_knows_the_shape_of_a_signing_secret(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """A placeholder would be found by the first person who asks."""
    env = environment(slack, fullstory, SLACK_SIGNING_SECRET="changeme")
    code, out, _ = await check(env)
    assert (code, "✗ Slack signing secret" in out, "App Credentials" in out) == (1, True, True)


async def test_check_finds_guests(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """They are not admitted by being named."""
    slack.users["U0GUEST"] = slack.users[USER] | {"id": "U0GUEST", "is_restricted": True}
    env = environment(slack, fullstory, ALLOWED_USERS="U0GUEST")
    code, out, _ = await check(env)
    assert (code, "✗ ALLOWED_USERS U0GUEST  is a guest" in out) == (1, True)
    code, out, _ = await check(env | {"ALLOW_GUESTS": "true"})
    assert (code, "✓ ALLOWED_USERS U0GUEST" in out) == (0, True)


async def test_a_wrong_fullstory_key_is_said_at_the_start(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Not found by the first person who asks; the bot serves all the same."""
    process = await start("serve", env=environment(slack, fullstory, FULLSTORY_API_KEY="na1.wrong"))
    assert process.stderr
    try:
        async with asyncio.timeout(30):
            while b"rejects FULLSTORY_API_KEY" not in (await process.stderr.readline()):
                pass
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_a_database_without_tables_is_said_once(
    slack: SlackSandbox, fullstory: FullstorySandbox, tmp_path: Path
) -> None:
    """It is there: what it needs is `fsessions migrate`."""
    env = environment(slack, fullstory, DATABASE_URL=f"sqlite:///{tmp_path}/none.db")
    process = await start("serve", env=env)
    assert process.stderr
    async with asyncio.timeout(30):
        while b"listening" not in (line := await process.stderr.readline()):
            assert b"away" not in line
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    assert b"shared state is away" not in log


POSTGRES_SAYS = {
    "wrong password": "wrong user or password",
    "wrong user": "no such user",
    "wrong database": "no database of that name",
    "no TLS": "doesn't support TLS",
    "not running": "nothing is running there",
    "unknown host": "unknown host",
    "a standby": "is a standby, or read-only",
}


@pytest.mark.parametrize("trouble", POSTGRES_SAYS)
async def test_check_tells_the_databases_troubles_apart(
    slack: SlackSandbox, fullstory: FullstorySandbox, postgres: Postgres, trouble: str
) -> None:
    """Each has its own remedy; no password is shown."""
    url = postgres.new_database()
    await migrated(url)
    name = url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(url, autocommit=True) as connection:
        if trouble == "a standby":
            connection.execute(
                f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode()
            )
    async with _asking_for_passwords() as port:
        urls = {
            "wrong password": f"postgresql://postgres:planted@127.0.0.1:{port}/{name}",
            "wrong user": url.replace("postgres@", "nobody@"),
            "wrong database": url.replace(name, "none"),
            "no TLS": f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=require",
            "not running": "postgresql://postgres@127.0.0.1:9/x",
            "unknown host": "postgresql://postgres@database.invalid/x",
            "a standby": url,
        }
        env = environment(slack, fullstory, DATABASE_URL=urls[trouble])
        code, out, err = await check(env)
    assert (code, POSTGRES_SAYS[trouble] in out) == (1, True), out
    assert "planted" not in out + err


@asynccontextmanager
async def _asking_for_passwords() -> AsyncIterator[int]:
    """Serve like a PostgreSQL without TLS that knows no password; yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        request = await reader.readexactly(length - 4)
        if request == struct.pack("!i", 80877103):  # may I speak TLS?
            writer.write(b"N")
            await writer.drain()
            with suppress(asyncio.IncompleteReadError):
                (length,) = struct.unpack("!i", await reader.readexactly(4))
                await reader.readexactly(length - 4)
        said = b"SFATAL\0C28P01\0Mpassword authentication failed for user\0\0"
        writer.write(b"E" + struct.pack("!i", len(said) + 4) + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_names_that_are_misspelled(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Told where something is missing; where all is well, no more than a question mark."""
    env = environment(slack, fullstory, FULLSTORY_KEY="x")
    code, out, _ = await run("check", env=env)
    assert code == 0
    assert out.startswith("? Settings")
    assert "did you mean FULLSTORY_API_KEY?" in out
    del env["FULLSTORY_API_KEY"]
    code, _, err = await run("serve", env=env)
    assert code == 2
    assert "FULLSTORY_KEY is not a setting; did you mean FULLSTORY_API_KEY?" in err


async def test_check_of_an_address_that_is_not_fullstorys(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Something that knows no one is no proof of a good key."""
    env = environment(slack, fullstory) | {"FULLSTORY_API_URL": slack.url}
    code, out, _ = await check(env)
    assert code == 1
    assert "doesn't answer like Fullstory's API" in out
    assert "FULLSTORY_API_URL" in out


async def test_check_while_others_are_in_trouble(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Not the administrator's fault: no advice about tokens and firewalls, no log lines."""
    slack.api_errors["auth.test"] = "internal_error"
    fullstory.always = Scripted(503)
    code, out, err = await check(environment(slack, fullstory))
    assert (code, err) == (1, "")
    assert out.count("Run this check again later") == 2
    assert "retry" not in out
    slack.api_errors["auth.test"] = ""
    for _ in range(2):  # HTML, and plain text
        code, out, err = await check(environment(slack, fullstory))
        assert (code, err) == (1, "")
        assert "no usable answer from" in out


async def test_check_finds_missing_scopes(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """A token of an app that was not made from the manifest."""
    slack.scopes = "chat:write"
    code, out, _ = await check(environment(slack, fullstory))
    assert code == 1
    assert "lacks the scope users:read" in out


async def test_check_behind_a_proxy_that_takes_headers_away(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Which scopes there are is not told then; that is no reason to say that all are missing."""
    slack.scopes = ""
    code, out, _ = await check(environment(slack, fullstory))
    assert code == 0
    assert "doesn't name its scopes" in out


async def test_check_looks_into_support_channels(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Whether the bot is in each, and has the scopes that only they need."""
    env = environment(slack, fullstory, SUPPORT_CHANNELS=f"{TICKETS},{CHANNEL}")
    code, out, _ = await check(env)
    assert code == 1
    assert f"✓ Support channel {TICKETS}" in out
    assert f"✗ Support channel {CHANNEL}  the bot isn't in it" in out
    assert "/invite @fsessions" in out
    slack.scopes = slack.scopes.replace(",channels:history", "")
    code, out, _ = await check(env)
    assert "lacks the scope channels:history" in out
    slack.scopes = ",".join(scopes(support_channels=False, usergroups=False))
    del env["SUPPORT_CHANNELS"]
    code, out, _ = await check(env)
    assert code == 0


async def test_check_finds_ids_that_do_not_exist(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Of people, groups and channels; and the scope that only groups need."""
    slack.usergroups["S0ONE"] = set()
    slack.users["U0BOT"] = {"id": "U0BOT", "is_bot": True, "profile": {}}
    env = environment(
        slack,
        fullstory,
        ALLOWED_USERS=f"{USER},U0NOBODY,U0BOT",
        ALLOWED_USERGROUPS="S0ONE,S0NONE",
        ALLOWED_CHANNELS=f"{TICKETS},{CHANNEL},C0NONE",
        ALLOWED_WORKFLOWS="triage",
    )
    code, out, _ = await check(env)
    assert (code, "lacks the scope usergroups:read" in out) == (1, True)
    slack.scopes += ",usergroups:read"
    code, out, _ = await check(env)
    assert code == 1
    for name in (
        f"✓ ALLOWED_USERS {USER}  exists",
        "✗ ALLOWED_USERS U0NOBODY  doesn't exist",
        "✗ ALLOWED_USERS U0BOT  is a bot, deactivated, or",
        "✓ ALLOWED_USERGROUPS S0ONE  exists",
        "✗ ALLOWED_USERGROUPS S0NONE  doesn't exist",
        f"✓ ALLOWED_CHANNELS {TICKETS}  exists",
        f"✓ ALLOWED_CHANNELS {CHANNEL}  exists",
        "✗ ALLOWED_CHANNELS C0NONE  doesn't exist",
        "? ALLOWED_WORKFLOWS  triage: can't be checked",
    ):
        assert name in out
    assert out.count("✗") == 4
    assert "Access  3 people and 2 user groups, no guests; in 3 channels" in out


async def test_check_looks_at_the_database(
    slack: SlackSandbox, fullstory: FullstorySandbox, empty_database: str
) -> None:
    """Whether it is there, with its tables, and whether its key is long enough."""
    env = environment(slack, fullstory, DATABASE_URL=empty_database)
    code, out, _ = await check(env)
    assert (code, "no tables yet" in out, "Run fsessions migrate" in out) == (1, True, True)
    await run("migrate", env=env)
    code, out, _ = await check(env)
    assert (code, "without AUDIT_KEY" in out) == (0, True)
    env["AUDITORS"] = USER
    code, out, _ = await check(env | {"AUDIT_KEY": "short"})
    assert (code, "fewer than 20 characters" in out) == (1, True)
    code, out, _ = await check(env | {"AUDIT_KEY": "long enough for everybody"})
    assert (code, "✓ Database" in out, f"✓ AUDITORS {USER}" in out) == (0, True, True)
    assert "✓ Clocks" in out
    assert "✓ Late answers" in out
    is_sqlite = empty_database.startswith("sqlite")
    assert ("another process" in out.partition("Late answers")[2]) is not is_sqlite
    gone = env | {
        "AUDIT_KEY": "long enough for everybody",
        "DATABASE_URL": "postgres://u:planted@127.0.0.1:9/gone",
    }
    code, out, err = await check(gone)
    assert (code, "gone at 127.0.0.1:9 can't be used" in out) == (1, True)
    assert "planted" not in out + err


async def test_check_looks_at_rights(
    slack: SlackSandbox, fullstory: FullstorySandbox, postgres: Postgres
) -> None:
    """A user who may read, and no more."""
    url = postgres.new_database()
    await migrated(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = url.replace("postgres@", "reader@")
    env = environment(slack, fullstory, DATABASE_URL=reader, AUDIT_KEY="long enough for everybody")
    code, out, _ = await check(env)
    assert code == 1
    assert "no rights on audit_events, jobs, shared_values" in out
    assert "GRANT" not in out


def test_check_compares_clocks() -> None:
    """Some seconds are no matter."""
    assert clocks(-2.0).fix == ""
    assert "90 s ahead of" in clocks(90.0).result
    assert "3600 s behind" in clocks(-3600.0).result
    assert clocks(90.0).fix


async def test_check_asks_fullstory_as_it_is_set(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """With FULLSTORY_METHOD=POST, in a body."""
    env = environment(slack, fullstory, FULLSTORY_METHOD="POST")
    assert (await check(env))[0] == 0
    assert {one.method for one in fullstory.received} == {"POST"}


async def test_check_finds_a_key_of_too_low_a_level(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """403, not 401."""
    fullstory.key_may_list = False
    code, out, _ = await check(environment(slack, fullstory))
    assert code == 1
    assert "isn't allowed to list sessions" in out


async def test_check_of_insights_costs_nothing(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The quotas take the same level of key; what the plan includes, only a press shows."""
    env = environment(slack, fullstory, INSIGHTS="true")
    code, out, _ = await check(env)
    assert (code, "the key's level is right" in out) == (0, True)
    fullstory.key_may_explain = False
    code, out, _ = await check(env)
    assert (code, "the key's level is too low" in out) == (1, True)
    assert not fullstory.paid
    assert "Insights" not in (await check(environment(slack, fullstory)))[1]


async def test_check_compares_a_lookup(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Its fields, order and links, and whether a POST would do; it says nothing of the person."""
    arguments = ("check", "--lookup", "jane@example.com")
    env = environment(slack, fullstory)
    code, out, _ = await run(*arguments, env=env)
    assert code == 0
    for said in (
        "the reply has userId, sessionId, createdTime, fsUrl",
        "20 sessions, oldest first",
        "take a moment",
        "accepted",
    ):
        assert said in out
    assert "jane" not in out
    newer = env | {"FULLSTORY_SESSIONS_PATH": "/v2/sessions"}
    code, out, _ = await run(*arguments, env=newer)
    assert (code, "the reply has id, created_time, app_url" in out, "POST" in out) == (
        0,
        True,
        False,
    )
    for person, said in (
        ("zoe@example.com", "nothing to compare"),
        ("odd@example.com", "not safe"),
    ):
        assert said in (await run("check", "--lookup", person, env=env))[1]
    fullstory.always = Scripted(200, b'{"sessions": [{"userId": "1", "created": 1}]}')
    code, out, _ = await run(*arguments, env=env)
    assert (code, "the reply has no sessionId, createdTime, fsUrl" in out) == (1, True)


async def test_check_tries_the_host_of_late_answers() -> None:
    """It is another than the API's, and a firewall may know only that one."""
    settings = Settings.model_validate({"fullstory_api_key": "x"})
    assert check_slack.response_url_host(settings) == "https://hooks.slack.com"
    async with FullstorySandbox().running() as other, open_connections() as connections:
        reached = await check_slack.response_urls(other.url, connections)
        assert (reached.fix, "can be reached" in reached.result) == ("", True)
        blocked = await check_slack.response_urls("http://127.0.0.1:9", connections)
        assert "Allow that host" in blocked.fix


@pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed")
async def test_a_killed_test_run_leaves_no_postgresql() -> None:
    """The server ends with the process that started it."""
    script = (
        "from bot.sandbox.postgres import *\n"
        "with postgres_server(programs()) as server:\n"
        "    print(server.url('postgres'), flush=True)\n"
        "    input()\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script), cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout
    url = (await process.stdout.readline()).decode().strip()
    psycopg.connect(url).close()
    process.kill()
    await process.wait()

    def is_gone() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return True
        return False

    await until(is_gone, 30)
