// The page: who you are, where you are, what you see, what you do. It keeps no other state; the rest
// comes from the stand-in Slack whenever something happens there.

import { CLOCK, blocks, element, mrkdwn, popup, state } from "./blockkit.js";

const $ = (id) => document.getElementById(id);
const here = () => new URLSearchParams(location.hash.slice(1));
let me = here().get("as") ?? "";
let channel = here().get("in") ?? "";
let thread = ""; // the `ts` of the message whose thread is open
let tab = "messages";
let seen = null; // the state as last told
let shownView = { id: "", made: "" }; // the window that is open, and what it was made of
const opened = Math.floor(Date.now() / 1000); // as in Slack, private messages are gone after a reload
const histories = {};
const drafts = {}; // what is half typed, by person, channel and thread
const read = {}; // until when each person has read each channel
let recalled = 0;

// -- Requests -------------------------------------------------------------------------------------

const ENDED = "The demo has ended. Start it again with: make demo";
const UNKNOWN = "No one here has that name.";
const NOTICES = ["notice", "reply-notice", "view-notice"];
let hasEnded = false;
let asking = false;
let again = false;

async function look() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    do {
      again = false;
      const answer = await fetch(`api/state?${new URLSearchParams(me ? { as: me } : {})}`);
      if (answer.status === 404) {
        notice(UNKNOWN);
        me = "";
        again = true;
        continue;
      }
      const told = answer.ok ? await answer.json() : null;
      if (told && (!me || told.me === me)) draw(told); // else: meanwhile, another person looks
      else again ||= Boolean(told);
      if (hasEnded) notice("");
    } while (again);
  } catch {
    notice(ENDED);
  } finally {
    asking = false;
  }
}

// Says something where the person types.
function notice(text) {
  const place = $("view").open ? "view-notice" : thread ? "reply-notice" : "notice";
  for (const id of NOTICES) $(id).textContent = id === place ? text : "";
  hasEnded = text === ENDED;
}

// Returns what was told, or null if no one listens anymore.
async function act(what, fields = {}) {
  const body = JSON.stringify({ do: what, as: me, ...fields });
  let told = null;
  try {
    const answer = await fetch("api/do", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.ok) told = await answer.json();
  } catch {
    // The notice says so.
  }
  notice(told ? (told.notice ?? "") : ENDED);
  return told;
}

// -- Rendering ------------------------------------------------------------------------------------

function draw(next) {
  seen = next;
  me = seen.me;
  if (!seen.channels.some((one) => one.id === channel)) channel = seen.channels[0].id;
  const hash = `#${new URLSearchParams({ as: me, in: channel })}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
  drawStrip();
  drawSide();
  drawPlace();
  drawMessages($("messages"), visible().filter((one) => !isReply(one)), true);
  drawThread();
  drawHome();
  drawView();
  drawWire();
}

function visible() {
  return seen.messages[channel].filter((one) => !one.only_you || one.ts > opened);
}

function names() {
  const all = { [seen.bot]: "fsessions" };
  for (const one of seen.people) all[one.id] = one.name;
  for (const one of seen.channels) all[one.id] = one.name;
  return all;
}

function drawStrip() {
  if ($("who").value !== me) {
    $("who").replaceChildren(
      ...seen.people.map((one) => element("option", { value: one.id, selected: one.id === me }, `${one.name}, ${one.about}`)),
    );
    $("who").value = me;
  }
  $("workflow").hidden = seen.outside;
  for (const [name, value] of Object.entries(seen.trouble)) $("troubles").elements[name].value = value;
  $("trouble-on").hidden = Object.values(seen.trouble).every((value) => value === "fine");
}

const MARKS = { channel: "#", private: "🔒", app: "▶" };

function drawSide() {
  const focused = document.activeElement?.dataset?.channel;
  const button = (one) => {
    const latest = seen.messages[one.id].at(-1)?.ts ?? "0";
    const key = `${me} ${one.id}`;
    if (one.id === channel || !(key in read)) read[key] = latest;
    const unread = latest > read[key] ? " unread" : "";
    return element("li", {}, element(
      "button",
      { type: "button", class: `plain${unread}`, "data-channel": one.id, "aria-current": one.id === channel ? "page" : undefined, onclick: () => go(one.id) },
      element("span", { "aria-hidden": "true" }, `${MARKS[one.kind]} `), one.name,
      unread && element("span", { class: "hidden" }, " (unread)"),
    ));
  };
  $("channels").replaceChildren(...seen.channels.filter((one) => one.kind !== "app").map(button));
  $("apps").replaceChildren(...seen.channels.filter((one) => one.kind === "app").map(button));
  if (focused) document.querySelector(`[data-channel="${focused}"]`)?.focus();
  $("shortcut").hidden = seen.outside;
  $("shortcuts-title").hidden = seen.outside;
}

function place() {
  return seen.channels.find((one) => one.id === channel);
}

function drawPlace() {
  const one = place();
  const app = one.kind === "app";
  if (!app) tab = "messages";
  const name = (one.kind === "channel" ? "#" : "") + one.name;
  $("title").textContent = name;
  $("here").textContent = name;
  $("about").textContent = one.about;
  $("tabs").hidden = !app;
  for (const which of ["messages", "home"]) {
    $(`tab-${which}`).setAttribute("aria-selected", tab === which);
    $(`tab-${which}`).tabIndex = tab === which ? 0 : -1;
    $(which).hidden = tab !== which;
  }
  $("compose").hidden = tab !== "messages";
  const example = app ? "jane@example.com" : "/fsessions jane@example.com";
  $("say").placeholder = histories[me] || seen.outside ? `Message ${name}` : `Try ${example}`;
}

const isReply = (message) => message.thread !== "" && seen.messages[channel].some((other) => other.ts === message.thread);
const drawn = new Map(); // articles by channel, person and message, with what they were made of

function drawMessages(box, list, withThreads) {
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 40;
  const before = new Set(box.children);
  const nodes = [];
  list.forEach((message, index) => {
    const previous = list[index - 1];
    const day = dayOf(message);
    if (withThreads && (!previous || dayOf(previous) !== day)) nodes.push(dayMark(day));
    const follows = Boolean(previous) && previous.author === message.author && !message.only_you && !previous.only_you
      && dayOf(previous) === day && message.ts - previous.ts < 300;
    nodes.push(article(message, follows, withThreads));
  });
  const fresh = nodes.filter((one) => !before.has(one) && one.tagName === "ARTICLE");
  const lost = document.activeElement?.closest("article");
  const place = [...box.children].indexOf(lost);
  // Only change what is new: screen readers read that, and the focus stays.
  nodes.forEach((one, index) => {
    if (box.children[index] !== one) box.insertBefore(one, box.children[index] ?? null);
  });
  while (box.children.length > nodes.length) box.lastChild.remove();
  if (lost && box.contains(document.activeElement) === false && place >= 0) {
    const same = nodes.find((one) => one.dataset.ts === lost.dataset.ts);
    (same ?? box.children[Math.min(place, box.children.length - 1)] ?? $("say")).focus();
  }
  const mine = fresh.at(-1)?.dataset.mine === "yes";
  if (fresh.length && before.size && mine) fresh.at(-1).scrollIntoView({ block: "nearest" });
  else if (atEnd || !before.size) box.scrollTop = box.scrollHeight;
}

const dayOf = (message) => new Date(message.ts * 1000).toDateString();
const dayMarks = new Map();

function dayMark(day) {
  const key = `${me} ${channel} ${day}`;
  if (!dayMarks.has(key)) {
    const today = new Date().toDateString() === day;
    const long = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" }).format(new Date(day));
    dayMarks.set(key, element("div", { class: "day" }, element("span", {}, today ? "Today" : long)));
  }
  return dayMarks.get(key);
}

const COLOURS = ["#7b3f61", "#1f6f78", "#8a5a00", "#4a4e9c", "#a03a2c", "#2f6b3a"];

function avatar(author, app, look = "avatar") {
  const isBot = app && author === "fsessions";
  const shown = isBot ? "▶" : author.slice(0, 1);
  const number = [...author].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
  const node = element("span", { class: look, "aria-hidden": "true" }, shown);
  node.style.background = isBot ? "#2b2d42" : COLOURS[number % COLOURS.length];
  return node;
}

function article(message, follows, withThreads) {
  const replies = withThreads ? visible().filter((one) => one.thread === message.ts && one !== message) : [];
  const key = `${me} ${channel} ${message.ts} ${withThreads}`;
  const made = JSON.stringify([message, follows, replies, names()]);
  const known = drawn.get(key);
  if (known?.made === made) return known.node;
  const author = names()[message.author] ?? message.author;
  const press = (action, option) => act("press", { message: message.ts, action, option });
  const inside = message.blocks.length
    ? blocks(message.blocks, { names: names(), press })
    : [element("p", {}, ...mrkdwn(message.text, names()))];
  const written = new Date(message.ts * 1000);
  const clock = new Intl.DateTimeFormat(undefined, CLOCK).format(written);
  const node = element(
    "article",
    {
      "data-ts": message.ts, "data-mine": message.author === me || message.only_you ? "yes" : "no", tabindex: "-1",
      class: [follows && "follows", message.only_you && "only-you"].filter(Boolean).join(" "),
      "aria-label": `${author}${message.only_you ? ", only visible to you" : ""}`,
    },
    !follows && avatar(author, message.app),
    message.only_you && element("p", { class: "eye" }, element("span", { "aria-hidden": "true" }, "👁 "), "Only visible to you"),
    !follows && element(
      "p",
      { class: "by" },
      element("strong", {}, author), " ",
      message.app && element("span", { class: "badge" }, "APP"), " ",
      element("time", { datetime: written.toISOString(), title: written.toString() }, clock),
    ),
    element("div", { class: "blocks" }, ...inside),
    replies.length > 0 && repliesBar(message, replies),
    tools(message, author, withThreads),
  );
  drawn.set(key, { made, node });
  return node;
}

function repliesBar(message, replies) {
  const public_ = replies.filter((one) => !one.only_you);
  const count = `${public_.length} ${public_.length === 1 ? "reply" : "replies"}`;
  const faces = [...new Set(replies.map((one) => one.author))].slice(0, 3);
  const face = (one) => avatar(names()[one] ?? one, replies.find((reply) => reply.author === one).app, "avatar mini");
  return element(
    "button",
    { type: "button", class: "replies-bar", onclick: () => openThread(message.ts) },
    ...faces.map(face), element("span", {}, count),
  );
}

function tools(message, author, withThreads) {
  if (message.only_you || (seen.outside && !withThreads)) return null;
  const entries = seen.outside ? [] : seen.message_menu.map((label) => ({
    label: [label], choose: () => act("choose", { message: message.ts, label }),
  }));
  return element(
    "div",
    { class: "tools" },
    withThreads && element("button", { type: "button", "aria-label": `Reply in the thread of ${author}'s message`, onclick: () => openThread(message.ts) },
      element("span", { "aria-hidden": "true" }, "💬")),
    entries.length > 0 && popup("⋮", { "aria-label": `More actions on the message of ${author}` }, entries),
  );
}

// -- The thread -----------------------------------------------------------------------------------

let openedBy = null;

function openThread(ts) {
  openedBy = document.activeElement;
  move(() => { thread = ts; });
  $("replies").replaceChildren();
  draw(seen);
  $("reply-say").focus();
}

function closeThread() {
  move(() => { thread = ""; });
  draw(seen);
  (openedBy?.isConnected ? openedBy : $("say")).focus();
}

// Goes to another person, channel or thread: what was half typed stays with the one that is left.
function move(change) {
  drafts[`${me} ${channel}`] = $("say").value;
  if (thread) drafts[`${me} ${channel} ${thread}`] = $("reply-say").value;
  change();
  $("say").value = drafts[`${me} ${channel}`] ?? "";
  $("reply-say").value = drafts[`${me} ${channel} ${thread}`] ?? "";
  notice("");
}

function drawThread() {
  const parent = seen.messages[channel].find((one) => one.ts === thread);
  $("thread").hidden = !parent;
  if (!parent) {
    thread = "";
    return;
  }
  const replies = visible().filter((one) => one.thread === thread && one !== parent);
  drawMessages($("replies"), [parent, ...replies], false);
}

$("thread-close").addEventListener("click", closeThread);
$("thread").addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeThread();
});
$("reply").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("reply-say").value.trim();
  if (!text) return;
  $("reply-say").value = "";
  const told = await act("say", { channel, text, thread });
  if ((!told || told.notice) && !$("reply-say").value) $("reply-say").value = text; // nothing typed is lost
});

// -- The Home -------------------------------------------------------------------------------------

let shownHome = "";

function drawHome() {
  const made = JSON.stringify(seen.home);
  if (made === shownHome) return;
  shownHome = made;
  const press = (action, option) => act("press_in_view", { view: seen.home.id, action, option });
  $("home").replaceChildren(...(seen.home ? blocks(seen.home.blocks, { names: names(), press }) : []));
}

// -- Modals ---------------------------------------------------------------------------------------

function drawView() {
  const view = seen.views.at(-1);
  const made = view ? JSON.stringify(view) : "";
  if (made === shownView.made) return;
  shownView = { id: view?.id ?? "", made };
  if (!view) {
    $("view").close();
    return;
  }
  const context = {
    names: names(), channel, channels: seen.channels.filter((one) => one.kind !== "app"),
    press: (action, option) => act("press_in_view", { view: view.id, action, option }),
  };
  const send = async (event) => {
    event.preventDefault();
    const fields = [...form.querySelectorAll("[data-type]")];
    const values = Object.fromEntries(fields.map((one) => [one.dataset.name ?? one.name, state(one)]));
    for (const one of form.querySelectorAll(".error")) one.textContent = "";
    const { errors = {} } = (await act("submit", { view: view.id, values })) ?? {};
    for (const [name, sentence] of Object.entries(errors)) $(`field-${name}-error`).textContent = sentence;
    if (Object.keys(errors).length) $(`field-${Object.keys(errors)[0]}`).focus();
  };
  const close = () => $("view").close();
  const form = element(
    "form",
    { onsubmit: send, novalidate: true },
    element(
      "div",
      { class: "dialog-head" },
      avatar("fsessions", true),
      element("h2", { id: "view-title" }, view.title.text),
      element("button", { type: "button", class: "plain-icon", "aria-label": "Close", onclick: close }, "✕"),
    ),
    element("div", { class: "dialog-body" }, ...blocks(view.blocks, context)),
    element(
      "p",
      { class: "row" },
      element("button", { type: "button", class: "button", onclick: close }, view.close.text),
      view.submit && element("button", { type: "submit", class: "button primary" }, view.submit.text),
    ),
  );
  $("view-body").replaceChildren(form);
  if (!$("view").open) $("view").showModal();
  (form.querySelector(".dialog-body input, .dialog-body select") ?? form.querySelector(".dialog-body button, .row button"))?.focus();
}

$("view").addEventListener("close", () => {
  const { id } = shownView;
  shownView = { id: "", made: "" };
  if (id) act("close", { view: id });
  if (document.activeElement === document.body) $("say").focus();
});

// -- On the wire ----------------------------------------------------------------------------------

function drawWire() {
  if ($("engineers").hidden) return;
  const open = new Set([...$("wire").querySelectorAll("details[open]")].map((one) => one.dataset.key));
  $("wire").replaceChildren(
    ...seen.wire.map((one, index) => {
      const key = `${seen.wire.length - index} ${one.what}`;
      const size = one.status ? `${one.status}` : "no answer";
      return element("li", {}, element(
        "details",
        { "data-key": key, open: open.has(key) },
        element("summary", {}, element("strong", {}, one.way), ` ${one.what} `, element("small", {}, `${size} · ${one.milliseconds} ms`)),
        one.request && element("pre", { tabindex: "0", "aria-label": "Request" }, one.request),
        one.reply && element("pre", { tabindex: "0", "aria-label": "Reply" }, readable(one.reply)),
      ));
    }),
  );
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function disclose(button, section, then = () => {}) {
  $(button).addEventListener("click", () => {
    $(section).hidden = !$(section).hidden;
    $(button).setAttribute("aria-expanded", !$(section).hidden);
    then();
  });
}

disclose("wire-open", "engineers", () => drawWire());

// -- The tour -------------------------------------------------------------------------------------

// What each step is called, what it says, and what it shows.
const STEPS = [
  [
    "1  Type a command", "Press ➤ to send it. Only you see the answer; Watch replay opens the recording.",
    async () => {
      await as("U0SUPPORT", "C0SUPPORT");
      say("/fsessions jane@example.com 5");
    },
  ],
  [
    "2  Open a thread", "The bot has replied to the ticket without naming the customer. Press View privately.",
    async () => {
      await as("U0SUPPORT", "C0TICKETS");
      const ticket = seen.messages.C0TICKETS.find((one) => one.thread === "" && one.text.includes("jane@example.com"));
      if (ticket) openThread(ticket.ts);
    },
  ],
  [
    "3  Use a menu ⋮", "Choose Find sessions: the bot reads in the message who the customer is.",
    async () => {
      await as("U0SUPPORT", "C0TICKETS");
      document.querySelector("[aria-label='More actions on the message of Sam']")?.click();
    },
  ],
  [
    "4  Be a stranger", "You are Pat, from another company. Open a thread and press View privately: Pat is refused. Step 1 makes you Sam again.",
    () => as("U0PARTNER", "C0TICKETS"),
  ],
];

// Goes to a channel as a person, with nothing open on top of it.
async function as(person, id) {
  if (thread) closeThread();
  if (person !== me) await become(person);
  go(id);
}

function say(text) {
  $("say").value = text;
  hint();
  $("say").focus();
}

$("tour").querySelector("ol").replaceChildren(
  ...STEPS.map(([label, sentence, show]) => element("li", {}, element(
    "button",
    {
      type: "button",
      onclick: (event) => {
        event.currentTarget.classList.add("done");
        $("tour-says").textContent = sentence;
        show();
      },
    },
    label,
  ))),
);
disclose("tour-open", "tour");
$("tour-close").addEventListener("click", () => {
  $("tour-open").click();
  $("tour-open").focus();
});

// -- Actions --------------------------------------------------------------------------------------

function go(id) {
  if (id === channel) return;
  history.pushState(null, "", `#${new URLSearchParams({ as: me, in: id })}`);
  enter(id);
}

function enter(id) {
  move(() => { channel = id; thread = ""; });
  tab = "messages";
  hint();
  if (matchMedia("(max-width: 40rem)").matches) $("channels-box").open = false;
  draw(seen);
  if (place().kind === "app") act("messages");
  $("say").focus();
}

function become(person) {
  move(() => { me = person; thread = ""; });
  recalled = 0;
  shownView = { id: "", made: "" }; // it stays open for who one was
  $("view").close();
  return look();
}

function choose(which) {
  tab = which;
  drawPlace();
  $(`tab-${which}`).focus();
  act(which);
}

$("who").addEventListener("change", () => become($("who").value));
$("tab-messages").addEventListener("click", () => choose("messages"));
$("tab-home").addEventListener("click", () => choose("home"));
$("tabs").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") choose(tab === "home" ? "messages" : "home");
});
$("shortcut").addEventListener("click", () => act("shortcut"));
$("troubles").addEventListener("change", () => act("trouble", Object.fromEntries(new FormData($("troubles")))));
$("trouble").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  $("trouble").open = false;
  $("trouble").querySelector("summary").focus();
});

$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("say").value.trim();
  if (!text) return;
  $("say").value = "";
  hint();
  if (await act("say", { channel, text })) {
    (histories[me] ??= []).push(text);
    recalled = 0;
  } else if (!$("say").value) {
    $("say").value = text; // nothing that was typed is lost
  }
});

function hint() {
  const { name, hint: usage } = seen.command;
  const typed = $("say").value;
  const about = !seen.outside && typed.startsWith("/") && name.startsWith(typed.split(" ")[0]);
  $("slash").hidden = !about;
  if (!about || $("slash").firstChild) return;
  $("slash").replaceChildren(
    avatar("fsessions", true),
    element("div", {}, element("strong", {}, `${name} `), element("span", {}, usage), element("p", {}, "fsessions · a customer's latest Fullstory sessions")),
  );
}

$("say").addEventListener("input", hint);
$("say").addEventListener("keydown", (event) => {
  const past = histories[me] ?? [];
  const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (event.key === "Tab" && !$("slash").hidden && !$("say").value.includes(" ")) {
    event.preventDefault();
    $("say").value = `${seen.command.name} `;
    return;
  }
  if (!step || !past.length) return;
  event.preventDefault();
  recalled = Math.max(0, Math.min(past.length, recalled + step));
  $("say").value = recalled ? past.at(-recalled) : "";
  hint();
});

// -- A workflow -----------------------------------------------------------------------------------

const OUTPUTS = {
  count: "Number of sessions", latest: "Link to the latest session", at_moment: "Link to the session at the moment",
  replay: "Replay at the moment", list: "List of sessions", person: "Person as understood",
};

$("workflow").addEventListener("click", () => {
  const noOne = () => element("option", { value: "" }, "(no one)");
  const people = seen.people.map((one) => element("option", { value: one.id }, `${one.name}, ${one.about}`));
  const places = seen.channels.filter((one) => one.kind !== "app");
  $("step-form").elements.show_to.replaceChildren(noOne(), ...people);
  $("step-form").elements.show_in.replaceChildren(
    element("option", { value: "" }, "(in a direct message)"),
    ...places.map((one) => element("option", { value: one.id }, one.name)),
  );
  $("step-end").replaceChildren();
  $("step").showModal();
});
for (const id of ["step-close", "step-x"]) $(id).addEventListener("click", () => $("step").close());
$("step-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("step-end").replaceChildren(element("p", {}, "Running …"));
  const { how, what, notice: said } = (await act("step", { inputs: Object.fromEntries(new FormData($("step-form"))) })) ?? { notice: ENDED };
  if (how === "success") {
    const rows = Object.entries(what).map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row" }, OUTPUTS[name] ?? name), element("td", {}, element("pre", { tabindex: "0" }, `${value}` || "(empty)"))));
    $("step-end").replaceChildren(element("p", {}, "It succeeded, with these outputs:"), element("table", {}, element("tbody", {}, ...rows)));
    $("step-message").textContent = `A problem was reported: ${what.count} sessions, the latest: ${what.latest || "none"}`;
  } else {
    $("step-end").replaceChildren(element("p", {}, element("strong", {}, "It failed: "), what ?? said));
  }
});

addEventListener("popstate", () => {
  const next = here();
  const person = next.get("as") ?? me;
  if (person !== me) {
    channel = next.get("in") ?? channel;
    become(person);
  } else if (next.get("in") && next.get("in") !== channel) enter(next.get("in"));
});

if (matchMedia("(max-width: 40rem)").matches) $("channels-box").open = false;
$("say").focus();
const changes = new EventSource("api/changes");
changes.addEventListener("message", look);
changes.addEventListener("error", () => notice(ENDED));
