"""The playground in a real browser: each entry point from click to links, people side by side."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.features.workflow_step import texts as step_texts
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import (
    AGENT,
    BOT,
    BOT_USER,
    CHANNEL,
    DIRECT,
    MANAGER,
    PARTNER,
    TICKETS,
    USER,
    Shown,
)
from bot.slack import texts
from tests.browser.stage import Windows, only_you, say
from tests.conftest import until

JANE = "jane@example.com"
REPLAYS = re.compile(r"^replay\.html#https%3A%2F%2Fapp\.fullstory\.com%2Fui%2F")


async def replays(page: Page) -> int:
    """How many links to recordings the last private message has."""
    links = page.locator(".only-you").last.locator("a")
    addresses = [await link.get_attribute("href") or "" for link in await links.all()]
    return sum(bool(REPLAYS.match(address)) for address in addresses)


class TestEntryPoints:
    """From a click to links."""

    async def test_command(self, windows: Windows) -> None:
        """With the usage hint while it is typed, and what was typed before."""
        page = await windows.open(channel=CHANNEL)
        await page.fill("#say", "/fs")
        await expect(page.locator("#slash")).to_contain_text("jane@example.com [how many]")
        await page.press("#say", "Tab")
        await page.type("#say", f"{JANE} 3")
        await page.press("#say", "Enter")
        await only_you(page, "Latest 3 sessions")
        assert await replays(page) == 3
        await expect(page.locator(".only-you")).to_contain_text("Only visible to you")
        await page.press("#say", "ArrowUp")
        assert await page.input_value("#say") == f"/fsessions {JANE} 3"
        await page.press("#say", "ArrowDown")
        assert await page.input_value("#say") == ""

    async def test_watch_replay(self, windows: Windows) -> None:
        """Opens a page of the playground, at the moment, and nothing of Fullstory's."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f'/fsessions {JANE} at:"1 hour ago"')
        await only_you(page, "Watch replay")
        async with page.context.expect_page() as opening:
            await page.click("text=Watch replay")
        replay = await opening.value
        await expect(replay.locator("h1")).to_have_text("Here the replay would open")
        await expect(replay.locator("#moment")).to_contain_text("It would begin at")
        await expect(replay.locator("#link")).to_contain_text("https://app.fullstory.com/ui/DEMO1/")
        assert replay.url.startswith(windows.address)

    async def test_what_happened(self, windows: Windows) -> None:
        """On a phone: the first line and the findings without scrolling, and a bug report."""
        page = await windows.open(channel=CHANNEL, width=390, height=844)
        await say(page, f"/fsessions {JANE}")
        await only_you(page, "Latest 5 sessions")
        await page.click(".only-you >> text=What happened?")
        await expect(page.locator("dialog[open]")).to_contain_text("4 minutes · 3 pages · 2 errors")
        for number in range(2):
            third = page.locator("dialog[open] .section code", has_text="Pay").nth(number)
            await expect(third).to_be_in_viewport()
        await page.click("dialog[open] >> text=Bug report…")
        text = page.locator("dialog[open] textarea")
        await expect(text).to_have_value(re.compile("On /checkout, pressed “Pay”"))
        await page.click("dialog[open] [type=submit]")
        await expect(page.locator("article", has_text="posted a bug report")).to_be_attached()

    async def test_other_commands(self, windows: Windows) -> None:
        """Slack knows no such command."""
        page = await windows.open()
        await say(page, "/remind me")
        await expect(page.locator("#notice")).to_contain_text("not a command")

    async def test_buttons(self, windows: Windows) -> None:
        """Show more, share by the window, refresh by the menu."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await page.click("text=Show all")
        await only_you(page, "20 sessions")
        await page.click("text=Share…")
        await page.wait_for_selector("dialog[open] #field-which")
        await expect(page.locator("#field-which option").first).to_contain_text("Latest: ")
        await page.click("dialog[open] [type=submit]")
        shared = page.locator("article:not(.only-you)", has_text="1 session of a customer")
        await expect(shared).to_contain_text("@Sam shared")
        await only_you(page, "Shared in #support")
        await page.click("[aria-label='More actions'] >> nth=-1")
        await page.click("[role=menuitem]:has-text('Refresh') >> visible=true")
        await expect(page.locator(".only-you", has_text="Shared in")).to_have_count(0)

    async def test_direct_messages_can_be_dismissed(self, windows: Windows) -> None:
        """By the keyboard; the focus continues to something that is there."""
        page = await windows.open(channel=DIRECT)
        await say(page, "omar@example.com")
        answer = page.locator("article", has_text="1 session")
        await answer.locator("[aria-label='More actions']").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(answer).to_have_count(0)
        assert await page.evaluate("document.activeElement !== document.body")

    async def test_message_shortcut_by_keyboard(self, windows: Windows) -> None:
        """*More actions* on a message, and the focus where it was."""
        page = await windows.open(channel=CHANNEL)
        await page.focus("[aria-label='More actions on the message of Mia']")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await only_you(page, JANE)
        assert await replays(page) >= 5

    async def test_form(self, windows: Windows) -> None:
        """The global shortcut; an error beside its field, then the results, then anew."""
        page = await windows.open()
        await page.click("#shortcut")
        await page.wait_for_selector("dialog[open]")
        assert await page.evaluate("document.activeElement.name") == "person"
        await page.fill("#field-person", "jane@")
        await page.keyboard.press("Enter")
        await expect(page.locator("#field-person-error")).to_contain_text("complete e-mail address")
        await page.fill("#field-person", JANE)
        await page.fill("#field-limit", "3")
        await page.keyboard.press("Enter")
        await expect(page.locator("dialog[open]")).to_contain_text("Latest 3 sessions")
        await page.click("text=New search")
        await page.wait_for_selector("#field-person")
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog[open]")).to_have_count(0)

    async def test_sharing_from_the_form(self, windows: Windows) -> None:
        """On top of the results, into a channel that is chosen, with a note."""
        page = await windows.open(channel=CHANNEL)
        await page.click("#shortcut")
        await page.fill("#field-person", JANE)
        await page.keyboard.press("Enter")
        await page.click("dialog[open] >> text=Share…")
        await page.wait_for_selector("#field-where")
        assert await page.input_value("#field-where") == CHANNEL
        await page.select_option("#field-where", TICKETS)
        await page.fill("#field-note", "look at 2:10")
        await page.click("dialog[open] [type=submit]")
        await expect(page.locator("dialog[open]")).to_contain_text("Shared in #tickets")
        await page.click("dialog[open] >> text=Show all")
        await expect(page.locator("dialog[open]")).to_contain_text("28 sessions")
        await page.keyboard.press("Escape")
        await page.click(f"[data-channel={TICKETS}]")
        shared = page.locator("article", has_text="1 session of a customer")
        await expect(shared.locator(".quote")).to_have_text("look at 2:10")

    async def test_form_with_a_moment(self, windows: Windows, slack: SlackSandbox) -> None:
        """In the browser's own zone."""
        page = await windows.open(zone="America/New_York")
        await page.click("#shortcut")
        await page.fill("#field-person", JANE)
        await page.fill("#field-moment", "2026-01-05T09:30")
        await page.click("dialog[open] [type=submit]")
        await expect(page.locator("dialog[open]")).to_contain_text("None started around that time")
        sent = next(one for one in reversed(slack.wire) if "view_submission" in one.request)
        assert "1767623400" in sent.request  # 14:30 UTC

    async def test_offer(self, windows: Windows) -> None:
        """In a ticket's thread: the session that started closest before it comes first."""
        page = await windows.open()
        await page.locator(".replies-bar").first.click()
        await page.locator("#replies button", has_text="View privately").click()
        await page.wait_for_selector("#replies .only-you:has-text('Closest before this message')")
        assert await replays(page) == 6  # the first opens at the moment, or from its beginning

    async def test_new_ticket(self, windows: Windows) -> None:
        """The offer comes by itself, as a reply."""
        page = await windows.open()
        await say(page, "Broken again! omar@example.com")
        article = page.locator("article", has_text="Broken again!")
        await article.locator(".replies-bar", has_text="1 reply").click()
        await expect(page.locator("#replies")).to_contain_text("sessions of the customer above")

    async def test_replies(self, windows: Windows) -> None:
        """People write in the thread; Escape closes it, and the focus goes back."""
        page = await windows.open()
        await page.locator(".replies-bar").first.focus()
        await page.keyboard.press("Enter")
        await page.keyboard.type("I look at it")
        await page.keyboard.press("Enter")
        await expect(page.locator("#replies")).to_contain_text("I look at it")
        await expect(page.locator(".replies-bar").first).to_contain_text("2 replies")
        await page.keyboard.press("Escape")
        await expect(page.locator("#thread")).to_be_hidden()

    async def test_mention_and_direct_message(self, windows: Windows) -> None:
        """Answered in the channel, alone; and in the direct messages."""
        page = await windows.open()
        await say(page, "@fsessions omar@example.com")
        await only_you(page, "1 session")
        await page.click(f"[data-channel={DIRECT}]")
        await say(page, "thanks!")
        await page.wait_for_selector(f"article:has-text({texts.ASK_ME[:40]!r})")

    async def test_home(self, windows: Windows) -> None:
        """Its button opens the form."""
        page = await windows.open(channel=DIRECT)
        await page.click("#tab-home")
        await page.click("#home >> text=Search…")
        await page.wait_for_selector("dialog[open] #field-person")

    async def test_step(self, windows: Windows) -> None:
        """Its outputs; what an author reads when it fails; shown to one person."""
        page, alex = await windows.open(), await windows.open(AGENT)
        await page.click("#workflow")
        await page.click("#step-form .primary")
        await expect(page.locator("#step-end")).to_contain_text("20 sessions of jane@example.com")
        await expect(page.locator("#step-message")).to_contain_text("20 sessions")
        await page.fill("[name=person]", "the checkout is broken")
        await page.click("#step-form .primary")
        await expect(page.locator("#step-end")).to_contain_text(step_texts.NO_ONE)
        await page.fill("[name=person]", JANE)
        await page.select_option("[name=show_to]", AGENT)
        await page.select_option("[name=show_in]", TICKETS)
        await page.click("#step-form .primary")
        await only_you(alex, JANE)
        await page.click("#step-close")
        await expect(page.locator(".only-you")).to_have_count(0)


class TestKeyboard:
    """Each entry point without a pointer; the message shortcut and the form are above."""

    async def press(self, page: Page, selector: str, key: str = "Enter") -> None:
        """Press a key on an element that the Tab key reaches."""
        await page.locator(selector).first.focus()
        reached = await page.evaluate("document.activeElement.tabIndex >= 0")
        assert reached
        await page.keyboard.press(key)

    async def test_share(self, windows: Windows) -> None:
        """From the button through the window to what everyone sees."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await self.press(page, "[data-action=share]")
        await page.wait_for_selector("dialog[open] #field-which")
        await page.focus("#field-which")
        await page.keyboard.press("ArrowDown")  # all of them
        await self.press(page, "dialog[open] input[type=checkbox]", "Space")
        await self.press(page, "dialog[open] [type=submit]")
        await page.wait_for_selector(f"article:not(.only-you):has-text('2 sessions of {JANE}')")

    async def test_offer(self, windows: Windows) -> None:
        """Into the thread, and to the sessions."""
        page = await windows.open()
        await self.press(page, ".replies-bar")
        await self.press(page, "#replies button:has-text('View privately')")
        await page.wait_for_selector("#replies .only-you:has-text('Closest before this message')")

    async def test_workflow(self, windows: Windows) -> None:
        """From its form to its message."""
        page = await windows.open()
        await self.press(page, "#workflow")
        await self.press(page, "[name=person]")  # Enter sends the form
        await expect(page.locator("#step-message")).to_contain_text("20 sessions")
        await page.keyboard.press("Escape")
        await expect(page.locator("#step")).to_be_hidden()

    async def test_home(self, windows: Windows) -> None:
        """Through the sidebar and the tabs."""
        page = await windows.open()
        await self.press(page, f"[data-channel={DIRECT}]")
        await self.press(page, "#tab-messages", "ArrowLeft")
        await self.press(page, "#home button:has-text('Search…')")
        await page.wait_for_selector("dialog[open] #field-person")


class TestPeople:
    """What one is shown, the other is not."""

    async def test_side_by_side(self, windows: Windows) -> None:
        """Until it is shared."""
        sam, alex = await windows.open(channel=CHANNEL), await windows.open(AGENT, CHANNEL)
        await say(sam, f"/fsessions {JANE} 2")
        await only_you(sam, "Latest 2 sessions")
        await say(alex, "anything new?")
        await sam.wait_for_selector("article:has-text('anything new?')")
        assert JANE not in await alex.locator("article").last.inner_text()
        await expect(alex.locator(".only-you")).to_have_count(0)
        await sam.click("text=Share…")
        await sam.check("#field-name input")
        await sam.select_option("#field-which", "all")
        await sam.click("dialog[open] [type=submit]")
        await alex.wait_for_selector(f"article:has-text('2 sessions of {JANE}')")

    async def test_the_switch(self, windows: Windows) -> None:
        """In the same window."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await page.select_option("#who", MANAGER)
        await expect(page.locator(".only-you")).to_have_count(0)
        await page.select_option("#who", USER)
        await only_you(page, "Latest 2 sessions")

    async def test_a_form_is_one_persons(self, windows: Windows) -> None:
        """No one else sees it; it is still open for who comes back."""
        page, alex = await windows.open(), await windows.open(AGENT)
        await page.click("#shortcut")
        await page.wait_for_selector("dialog[open] #field-person")
        await expect(alex.locator("dialog[open]")).to_have_count(0)
        await page.evaluate(f"location.hash = 'as={AGENT}&in={TICKETS}'")
        await expect(page.locator("dialog[open]")).to_have_count(0)
        await page.select_option("#who", USER)
        await page.wait_for_selector("dialog[open] #field-person")

    async def test_a_partner(self, windows: Windows) -> None:
        """Sees the support channel, no command, and behind the offer a polite sentence."""
        page = await windows.open(PARTNER)
        assert await page.locator("[data-channel]").count() == 1
        assert not await page.is_visible("#shortcut")
        await say(page, f"/fsessions {JANE}")
        await expect(page.locator("#notice")).to_contain_text("another organization")
        await page.locator(".replies-bar").first.click()
        await page.locator("#replies button", has_text="View privately").click()
        await only_you(page, denial(DenialReason.STRANGER).what)
        assert await replays(page) == 0


class TestTrouble:
    """How the bot copes."""

    async def choose(self, page: Page, name: str, value: str) -> None:
        """In the control panel."""
        if not await page.is_visible("#troubles"):
            await page.click("#trouble summary")
        await page.check(f"[name={name}][value={value}]")

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            ("down", "trouble answering"),
            ("busy", "too many requests"),
        ],
    )
    async def test_fullstory(self, windows: Windows, value: str, sentence: str) -> None:
        """A sentence each; "try again" works once it is over."""
        page = await windows.open(channel=CHANNEL)
        await self.choose(page, "fullstory", value)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, sentence)
        await self.choose(page, "fullstory", "fine")
        await page.get_by_role("button", name="Try again").click()
        await only_you(page, "Latest 2 sessions")

    async def test_a_refused_key(self, windows: Windows) -> None:
        """Trying again would not help, so there is no button for it."""
        page = await windows.open(channel=CHANNEL)
        await self.choose(page, "fullstory", "key")
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "doesn't accept this bot's API key")
        assert await page.get_by_role("button", name="Try again").count() == 0

    async def test_slow(self, windows: Windows) -> None:
        """It says so; the answer follows."""
        page = await windows.open(channel=CHANNEL)
        await self.choose(page, "fullstory", "slow")
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "This search takes longer")
        await only_you(page, "Latest 2 sessions")

    async def test_response_url(self, windows: Windows, slack: SlackSandbox) -> None:
        """It is gone, and no button is dead: the answer comes by another way."""
        page = await windows.open(channel=TICKETS)
        await self.choose(page, "response_url", "gone")
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await page.click("text=Show all")
        await only_you(page, "20 sessions")
        await page.click("#wire-open")
        await expect(page.locator("#wire")).to_contain_text("response_url 404")
        assert "chat.postEphemeral" in slack.api_calls
        await expect(page.locator("#trouble-on")).to_be_visible()
        await self.choose(page, "response_url", "fine")
        await until(lambda: slack.response_status == 200)


class TestRendering:
    """What the bot sent, as it is."""

    async def test_the_wire(self, windows: Windows) -> None:
        """The signed request, the reply, and how long it took."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await page.click("#wire-open")
        entry = page.locator("#wire details", has_text="/slack/events").first
        await expect(entry).to_contain_text(re.compile(r"200 · \d+ ms"))
        await entry.locator("summary").click()
        for text in ("X-Slack-Signature: v0=", '"command": "/fsessions"', '"type": "section"'):
            await expect(entry).to_contain_text(text)
        await expect(page.locator("#wire")).to_contain_text("bot → Fullstory")

    async def test_what_it_can_not_draw_is_named(
        self, windows: Windows, slack: SlackSandbox
    ) -> None:
        """Rather than left out."""
        video = {"type": "video", "title": {"type": "plain_text", "text": "x"}}
        menu = {"type": "actions", "elements": [{"type": "workflow_button"}]}
        image = {"type": "context", "elements": [{"type": "image"}]}
        author = {"user": BOT_USER, "bot_id": BOT}
        message = {"text": "x", "blocks": [video, menu, image]}
        slack.screen.append(Shown(message, slack.new_ts(), "", channel=TICKETS, author=author))
        page = await windows.open()
        for name in ("video", "workflow_button", "image"):
            await page.wait_for_selector(f".unknown:has-text({name!r})")

    async def test_a_confirmation(self, windows: Windows, slack: SlackSandbox) -> None:
        """A button that asks first is pressed when the answer is yes."""
        plain = {"type": "plain_text", "text": "Really?"}
        confirm = {"title": plain, "text": plain, "confirm": plain | {"text": "Yes"}}
        button = {"type": "button", "action_id": "watch_replay", "text": plain | {"text": "Do it"}}
        button["confirm"] = confirm | {"deny": plain | {"text": "No"}}
        message = {"text": "x", "blocks": [{"type": "actions", "elements": [button]}]}
        author = {"user": BOT_USER, "bot_id": BOT}
        slack.screen.append(Shown(message, slack.new_ts(), "", channel=TICKETS, author=author))
        page = await windows.open()
        before = len(slack.wire)
        for answer, presses in (("No", 0), ("Yes", 1)):
            await page.get_by_role("button", name="Do it").click()
            await page.get_by_role("button", name=answer).click()
            await until(lambda: len(slack.wire) == before + presses)  # noqa: B023

    async def test_text_stays_text(self, windows: Windows) -> None:
        """Whatever people type; and Slack's own markup and emoji are rendered."""
        page = await windows.open(channel=CHANNEL)
        await say(
            page, "<img src=x onerror=alert(1)> & &amp; *bold* _it_ ~no~ `code` :tada: :nope:"
        )
        article = page.locator("article").last
        await expect(article).to_contain_text("<img src=x onerror=alert(1)> & &amp;")
        await expect(article).to_contain_text("🎉 :nope:")
        for tag, text in (("strong", "bold"), ("em", "it"), ("s", "no"), ("code", "code")):
            await expect(article.locator(f".blocks {tag}")).to_have_text(text)
        assert await article.locator("img").count() == 0

    async def test_dates_are_in_the_browsers_zone(self, windows: Windows) -> None:
        """The same moment reads differently in Tokyo."""
        shown: list[str] = []
        for zone in ("Asia/Tokyo", "Europe/Lisbon"):
            page = await windows.open(channel=CHANNEL, zone=zone)
            await say(page, "/fsessions omar@example.com")
            await only_you(page, "omar@example.com")
            answer = page.locator(".only-you").last
            shown.append(await answer.locator(".section time").first.inner_text())
            assert "7 minutes ago" in await answer.inner_text()
        assert shown[0] != shown[1]


class TestAccess:
    """For people who use a keyboard, a screen reader, a phone, the dark."""

    @pytest.mark.parametrize("look", ["light", "dark", "phone"])
    async def test_axe(self, windows: Windows, look: str) -> None:
        """axe-core finds nothing to complain about, wherever one goes."""
        width = 390 if look == "phone" else 1000
        page = await windows.open(dark=look == "dark", width=width)
        await say(page, f"/fsessions {JANE} 3")
        await only_you(page, "Latest 3 sessions")
        await page.click("#trouble summary")
        if look != "phone":
            await page.click("#wire-open")
        await page.click("#tour-open")
        await self.clean(page)
        await page.click("#trouble summary")
        if look != "phone":
            await page.click("#wire-open")
        await page.click("[aria-label='More actions'] >> nth=-1")
        await self.clean(page)
        await page.keyboard.press("Escape")
        await page.click("text=Share…")
        await page.wait_for_selector("#field-which")
        await self.clean(page)
        await page.keyboard.press("Escape")
        await say(page, "/fsessions jane@gmial.com or else 5 x")
        await only_you(page, "Did you mean")
        await self.clean(page)
        await page.locator(".replies-bar").first.click()
        await self.clean(page)
        await page.click("#thread-close")
        await self.find_sessions(page)
        await page.fill("#field-person", "jane@")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("text=complete e-mail address")
        await self.clean(page)
        await page.fill("#field-person", f"{JANE} or omar@example.com yesterday")
        await page.keyboard.press("Enter")
        await page.click(f"dialog[open] >> text={JANE}")
        await page.click("dialog[open] >> text=Share…")
        await page.wait_for_selector("#field-where")
        await self.clean(page)
        await page.keyboard.press("Escape")
        await page.wait_for_selector("dialog[open] >> text=New search")
        await self.clean(page)
        await page.keyboard.press("Escape")
        await page.click("#workflow")
        await page.click("#step-form .primary")
        await page.wait_for_selector("#step-end table")
        await self.clean(page)
        await page.click("#step-close")
        await self.enter(page, DIRECT)
        await page.click("#tab-home")
        await page.wait_for_selector("#home h3")
        await self.clean(page)

    async def find_sessions(self, page: Page) -> None:
        """Run the shortcut; on a phone, behind the name of the workspace."""
        if not await page.is_visible("#shortcut"):
            await page.click("#channels-box summary")
        await page.click("#shortcut")
        await page.wait_for_selector("#field-person")

    async def enter(self, page: Page, channel: str) -> None:
        """Open a channel, in the same way."""
        if not await page.is_visible(f"[data-channel={channel}]"):
            await page.click("#channels-box summary")
        await page.click(f"[data-channel={channel}]")

    async def clean(self, page: Page) -> None:
        """Every rule of axe-core's, here and now."""
        found = await Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    async def test_phone_width(self, windows: Windows) -> None:
        """Nothing is wider than the screen."""
        page = await windows.open(width=360)
        await say(page, f"/fsessions {JANE} 3")
        await only_you(page, "Latest 3 sessions")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360

    async def test_the_focus_stays(self, windows: Windows) -> None:
        """On the message whose button was pressed, when it becomes another."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await page.focus("[data-action=show_more]")
        await page.keyboard.press("Enter")
        await only_you(page, "20 sessions")
        focused = await page.evaluate("document.activeElement.closest('.only-you') !== null")
        assert focused

    async def test_roles(self, windows: Windows) -> None:
        """What a screen reader is told."""
        page = await windows.open()
        await expect(page.get_by_role("log", name="Messages")).to_be_visible()
        await expect(page.get_by_role("navigation")).to_be_visible()
        await expect(page.get_by_label("Message", exact=True)).to_be_visible()
        current = page.get_by_role("button", name="tickets", exact=True)
        await expect(current).to_have_attribute("aria-current", "page")

    async def test_unread_and_back(self, windows: Windows) -> None:
        """A channel where something new stands is bold; Back goes where one was."""
        page, alex = await windows.open(channel=CHANNEL), await windows.open(AGENT, TICKETS)
        await say(alex, "anything new?")
        tickets = page.locator(f"[data-channel={TICKETS}]")
        await expect(tickets).to_have_class(re.compile("unread"))
        await tickets.click()
        await expect(tickets).not_to_have_class(re.compile("unread"))
        await page.go_back()
        await expect(page.locator("#title")).to_have_text("support")

    async def test_the_reader_stays_where_they_are(self, windows: Windows) -> None:
        """Another person's message doesn't tear them to the end."""
        page, alex = await windows.open(height=420), await windows.open(AGENT, TICKETS)
        await page.evaluate("document.getElementById('messages').scrollTop = 0")
        await say(alex, "one more")
        await page.wait_for_selector("article:has-text('one more')")
        assert await page.evaluate("document.getElementById('messages').scrollTop") == 0

    async def test_private_messages_are_gone_after_a_reload(self, windows: Windows) -> None:
        """As in Slack; the Home has the lookup."""
        page = await windows.open(channel=CHANNEL)
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await page.wait_for_timeout(1000)  # messages of the same second stay
        await page.reload()
        await page.wait_for_selector("article")
        await expect(page.locator(".only-you")).to_have_count(0)
        await page.click(f"[data-channel={DIRECT}]")
        await page.click("#tab-home")
        await page.click("#home >> text=Show sessions")
        await expect(page.locator("dialog[open]")).to_contain_text("Latest 2 sessions")

    async def test_a_draft_stays_in_its_channel(self, windows: Windows) -> None:
        """And is there again when one comes back."""
        page = await windows.open(channel=CHANNEL)
        await page.fill("#say", "half a thought")
        await page.click(f"[data-channel={TICKETS}]")
        await expect(page.locator("#say")).to_have_value("")
        await page.click(f"[data-channel={CHANNEL}]")
        await expect(page.locator("#say")).to_have_value("half a thought")

    async def test_a_draft_stays_in_its_thread(self, windows: Windows) -> None:
        """It is never sent to another customer's ticket."""
        page = await windows.open(channel=TICKETS)
        threads = page.locator(".replies-bar")
        await threads.nth(0).click()
        await page.fill("#reply-say", "half a thought")
        await page.click("#thread-close")
        await threads.nth(1).click()
        await expect(page.locator("#reply-say")).to_have_value("")
        await page.click("#thread-close")
        await threads.nth(0).click()
        await expect(page.locator("#reply-say")).to_have_value("half a thought")

    @pytest.mark.parametrize("width", [390, 1280])
    async def test_a_command_in_a_thread(self, windows: Windows, width: int) -> None:
        """Where it is typed, the page says that it doesn't work there; the text stays."""
        page = await windows.open(width=width)
        await page.locator(".replies-bar").first.click()
        await page.fill("#reply-say", f"/fsessions {JANE}")
        await page.press("#reply-say", "Enter")
        await expect(page.locator("#reply-notice")).to_be_in_viewport()
        await expect(page.locator("#reply-notice")).to_contain_text("Mention @fsessions instead")
        await expect(page.locator("#reply-say")).to_have_value(f"/fsessions {JANE}")

    async def test_what_to_try_first(self, windows: Windows) -> None:
        """Where one types, until something was typed; *Messages* greets."""
        page = await windows.open(width=390, height=844)
        box = page.locator("#say")
        await expect(box).to_have_attribute("placeholder", f"Try /fsessions {JANE}")
        await say(page, f"/fsessions {JANE} 2")
        await only_you(page, "Latest 2 sessions")
        await expect(box).to_have_attribute("placeholder", "Message #tickets")
        await page.click("#channels-box summary")
        await page.click(f"[data-channel={DIRECT}]")
        await expect(page.locator("article")).to_contain_text(texts.ASK_ME)

    async def test_the_current_channel_can_be_read_under_the_pointer(
        self, windows: Windows
    ) -> None:
        """Right after a click, that is where it is."""
        page = await windows.open(channel=CHANNEL)
        await page.click(f"[data-channel={TICKETS}]")
        await page.hover(f"[data-channel={TICKETS}]")
        look = "getComputedStyle(document.querySelector('[aria-current]')).backgroundColor"
        assert await page.evaluate(look) == "rgb(17, 100, 163)"

    async def test_the_end_of_the_demo(self, windows: Windows) -> None:
        """Is said by itself; what was typed stays."""
        page = await windows.open(channel=CHANNEL)
        await page.fill("#say", "half a thought")
        await page.context.set_offline(True)
        await page.press("#say", "Enter")
        await expect(page.locator("#notice")).to_contain_text("The demo has ended")
        await expect(page.locator("#say")).to_have_value("half a thought")
        await page.context.set_offline(False)
        windows.faults.clear()  # the requests that failed

    async def test_no_one_of_that_name(self, windows: Windows) -> None:
        """An address that names no one is told as such, and a person is shown."""
        page = await windows.open("NOPE", TICKETS)
        await expect(page.locator("#notice")).not_to_be_empty()
        assert await page.locator("article").count() > 0
        assert all("404" in fault for fault in windows.faults)  # as Chromium tells of a reply
        windows.faults.clear()

    @pytest.mark.parametrize("width", [390, 1280])
    async def test_the_tour(self, windows: Windows, width: int) -> None:
        """Each of its steps says what to do, and shows it, in any order."""
        page = await windows.open(width=width, height=844)
        await page.click("#tour-open")
        for _ in range(2):
            await self.step(page, "Type a command", "Only you see the answer")
            await expect(page.locator("#say")).to_have_value("/fsessions jane@example.com 5")
            await self.step(page, "Open a thread", "Press View privately")
            await expect(page.locator("#replies")).to_contain_text("View privately")
            await self.step(page, "Use a menu", "Choose Find sessions")
            await expect(page.get_by_role("menuitem", name="Find sessions")).to_be_in_viewport()
            await self.step(page, "Be a stranger", "Pat is refused")
            await expect(page.locator("#who")).to_have_value(PARTNER)
        await page.locator(".replies-bar").first.click()
        await page.locator("#replies button", has_text="View privately").click()
        await only_you(page, denial(DenialReason.STRANGER).what)

    async def step(self, page: Page, name: str, sentence: str) -> None:
        """Go to a step of the tour, and read its sentence."""
        await page.click(f"#tour >> text={name}")
        await expect(page.locator("#tour-says")).to_contain_text(sentence)
