// The page: who you are, where you are, what you see, what you do. It keeps no state of its own but
// that; the rest is asked from the stand-in Slack whenever something happened there.

import { ago, blocks, element, mrkdwn, state } from "./blockkit.js";

const $ = (id) => document.getElementById(id);
const here = new URLSearchParams(location.hash.slice(1));
let me = here.get("as") ?? "";
let channel = here.get("in") ?? "";
let tab = "messages";
let seen = null; // the state as last told
let shownView = { id: "", made: "" }; // the window that is open, and what it was made of
const histories = {};
let recalled = 0;

// -- Asking and telling ---------------------------------------------------------------------------

const ENDED = "That didn't work. Is the demo still running?";
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
      const told = answer.ok ? await answer.json() : null;
      if (told && (!me || told.me === me)) draw(told); // else: meanwhile, somebody else looks
      else again ||= Boolean(told);
    } while (again);
  } catch {
    $("notice").textContent = ENDED;
  } finally {
    asking = false;
  }
}

async function act(what, fields = {}) {
  const body = JSON.stringify({ do: what, as: me, ...fields });
  let told = { notice: ENDED };
  try {
    const answer = await fetch("api/do", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.ok) told = await answer.json();
  } catch {
    // The notice says it.
  }
  $("notice").textContent = told.notice ?? "";
  return told;
}

// -- Drawing --------------------------------------------------------------------------------------

function draw(next) {
  seen = next;
  me = seen.me;
  if (!seen.channels.some((one) => one.id === channel)) channel = seen.channels[0].id;
  history.replaceState(null, "", `#${new URLSearchParams({ as: me, in: channel })}`);
  drawSide();
  drawPlace();
  drawMessages();
  drawHome();
  drawView();
  drawWire();
}

function names() {
  const all = { [seen.bot]: "fsessions" };
  for (const one of seen.people) all[one.id] = one.name;
  for (const one of seen.channels) all[one.id] = one.name;
  return all;
}

const MARKS = { channel: "#", private: "🔒", app: "▶" };

function drawSide() {
  if ($("who").value !== me) {
    $("who").replaceChildren(
      ...seen.people.map((one) => element("option", { value: one.id, selected: one.id === me }, `${one.name}, ${one.about}`)),
    );
    $("who").value = me;
  }
  const focused = document.activeElement?.dataset?.channel;
  $("channels").replaceChildren(
    ...seen.channels.map((one) =>
      element("li", {}, element(
        "button",
        { type: "button", class: "plain", "data-channel": one.id, "aria-current": one.id === channel ? "page" : undefined, onclick: () => go(one.id) },
        element("span", { "aria-hidden": "true" }, `${MARKS[one.kind]} `), one.name,
      )),
    ),
  );
  if (focused) document.querySelector(`[data-channel="${focused}"]`)?.focus();
  $("shortcut").hidden = seen.outside;
  $("workflow").hidden = seen.outside;
  for (const [name, value] of Object.entries(seen.trouble)) $("troubles").elements[name].value = value;
}

function drawPlace() {
  const place = seen.channels.find((one) => one.id === channel);
  const app = place.kind === "app";
  if (!app) tab = "messages";
  $("title").textContent = (place.kind === "channel" ? "#" : "") + place.name;
  $("about").textContent = place.about;
  $("tabs").hidden = !app;
  $("tab-messages").setAttribute("aria-selected", tab === "messages");
  $("tab-home").setAttribute("aria-selected", tab === "home");
  $("tab-messages").tabIndex = tab === "messages" ? 0 : -1;
  $("tab-home").tabIndex = tab === "home" ? 0 : -1;
  $("messages").hidden = tab !== "messages";
  $("home").hidden = tab !== "home";
  $("compose").hidden = tab !== "messages";
  $("say").placeholder = `Message ${place.kind === "channel" ? "#" : ""}${place.name}`;
}

const drawn = new Map(); // articles by channel, person and message, with what they were made of

function drawMessages() {
  const list = seen.messages[channel];
  const parents = list.filter((one) => !list.some((other) => other.ts === one.thread));
  const ordered = parents.flatMap((one) => [one, ...list.filter((other) => other.thread === one.ts)]);
  const box = $("messages");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 40;
  const before = new Set(box.children);
  const articles = ordered.map((message) => article(message, message.thread !== "" && !parents.includes(message)));
  const fresh = articles.filter((one) => !before.has(one));
  const lost = document.activeElement?.closest("article")?.dataset.ts;
  // Only what is new is touched: a screen reader reads that, and the focus stays where it is.
  articles.forEach((one, index) => {
    if (box.children[index] !== one) box.insertBefore(one, box.children[index] ?? null);
  });
  while (box.children.length > articles.length) box.lastChild.remove();
  if (lost && !document.activeElement?.closest("article")) {
    articles.find((one) => one.dataset.ts === lost)?.focus();
  }
  if (fresh.length && before.size) fresh.at(-1).scrollIntoView({ block: "nearest" });
  else if (atEnd || !before.size) box.scrollTop = box.scrollHeight;
}

function article(message, inThread) {
  const key = `${me} ${channel} ${message.ts}`;
  const made = JSON.stringify(message);
  const known = drawn.get(key);
  if (known?.made === made) return known.node;
  const author = names()[message.author] ?? message.author;
  const press = (action) => act("press", { message: message.ts, action });
  const inside = message.blocks.length
    ? blocks(message.blocks, { names: names(), press })
    : [element("p", {}, ...mrkdwn(message.text, names()))];
  const written = new Date(Number(message.ts) * 1000);
  const node = element(
    "article",
    { "data-ts": message.ts, tabindex: "-1", class: [inThread && "reply", message.only_you && "only-you"].filter(Boolean).join(" "), "aria-label": `${author}${message.only_you ? ", only visible to you" : ""}` },
    message.only_you && element("p", { class: "eye" }, element("span", { "aria-hidden": "true" }, "👁 "), "Only visible to you"),
    inThread && !message.only_you && element("p", { class: "eye" }, "Reply in the thread"),
    element(
      "p",
      { class: "by" },
      element("strong", {}, author), " ",
      message.app && element("span", { class: "badge" }, "APP"), " ",
      element("time", { datetime: written.toISOString(), title: written.toString() }, ago(written)),
    ),
    element("div", { class: "blocks" }, ...inside),
    !seen.outside && !message.only_you && more(message, author),
  );
  drawn.set(key, { made, node });
  return node;
}

function more(message, author) {
  const choose = (label) => {
    menu.removeAttribute("open");
    act("choose", { message: message.ts, label });
  };
  const menu = element(
    "details",
    { class: "more" },
    element("summary", { "aria-label": `More actions on the message of ${author}` }, "⋮"),
    element(
      "div",
      { class: "entries" },
      ...seen.message_menu.map((label) => element("button", { type: "button", class: "plain", onclick: () => choose(label) }, label)),
    ),
  );
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.removeAttribute("open");
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", (event) => {
    if (!menu.contains(event.relatedTarget)) menu.removeAttribute("open");
  });
  return menu;
}

let shownHome = "";

function drawHome() {
  const made = JSON.stringify(seen.home);
  if (made === shownHome) return;
  shownHome = made;
  const press = (action) => act("press_in_view", { view: seen.home.id, action });
  $("home").replaceChildren(...(seen.home ? blocks(seen.home.blocks, { names: names(), press }) : []));
}

// -- Windows --------------------------------------------------------------------------------------

function drawView() {
  const view = seen.views.at(-1);
  const made = view ? JSON.stringify(view) : "";
  if (made === shownView.made) return;
  shownView = { id: view?.id ?? "", made };
  if (!view) {
    $("view").close();
    return;
  }
  const press = (action) => act("press_in_view", { view: view.id, action });
  const send = async (event) => {
    event.preventDefault();
    const inputs = [...form.querySelectorAll("[data-type]")];
    const values = Object.fromEntries(inputs.map((one) => [one.name, state(one)]));
    for (const one of form.querySelectorAll(".error")) one.textContent = "";
    const { errors = {} } = await act("submit", { view: view.id, values });
    for (const [name, sentence] of Object.entries(errors)) $(`field-${name}-error`).textContent = sentence;
    if (Object.keys(errors).length) $(`field-${Object.keys(errors)[0]}`).focus();
  };
  const form = element(
    "form",
    { onsubmit: send },
    element("h2", { id: "view-title" }, view.title.text),
    ...blocks(view.blocks, { names: names(), press }),
    element(
      "p",
      { class: "row" },
      element("button", { type: "button", class: "button", onclick: () => $("view").close() }, view.close.text),
      view.submit && element("button", { type: "submit", class: "button primary" }, view.submit.text),
    ),
  );
  $("view-body").replaceChildren(form);
  if (!$("view").open) $("view").showModal();
  (form.querySelector("input") ?? form.querySelector("button"))?.focus();
}

$("view").addEventListener("close", () => {
  const { id } = shownView;
  shownView = { id: "", made: "" };
  if (id) act("close", { view: id });
});

// -- On the wire ----------------------------------------------------------------------------------

function drawWire() {
  if (!$("engineers").open) return;
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

$("engineers").addEventListener("toggle", () => seen && drawWire());

// -- Doing ----------------------------------------------------------------------------------------

function go(id) {
  channel = id;
  tab = "messages";
  draw(seen);
  $("say").focus();
}

function become(person) {
  me = person;
  recalled = 0;
  $("notice").textContent = "";
  shownView = { id: "", made: "" }; // it stays open for who one was
  $("view").close();
  look();
}

function choose(which) {
  tab = which;
  drawPlace();
  $(`tab-${which}`).focus();
  if (which === "home") act("home");
}

$("who").addEventListener("change", () => become($("who").value));
$("tab-messages").addEventListener("click", () => choose("messages"));
$("tab-home").addEventListener("click", () => choose("home"));
$("tabs").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") choose(tab === "home" ? "messages" : "home");
});
$("shortcut").addEventListener("click", () => act("shortcut"));
$("troubles").addEventListener("change", () => act("trouble", Object.fromEntries(new FormData($("troubles")))));

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("say").value.trim();
  if (!text) return;
  (histories[me] ??= []).push(text);
  recalled = 0;
  $("say").value = "";
  hint();
  act("say", { channel, text });
});

function hint() {
  const { name, hint: usage } = seen.command;
  const typed = $("say").value;
  const about = !seen.outside && typed.startsWith("/") && name.startsWith(typed.split(" ")[0]);
  $("hint").textContent = about ? `${name} ${usage}` : "";
}

$("say").addEventListener("input", hint);
$("say").addEventListener("keydown", (event) => {
  const past = histories[me] ?? [];
  const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (event.key === "Tab" && $("hint").textContent && !$("say").value.includes(" ")) {
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

$("workflow").addEventListener("click", () => {
  const nobody = () => element("option", { value: "" }, "(nobody)");
  const people = seen.people.map((one) => element("option", { value: one.id }, `${one.name}, ${one.about}`));
  const places = seen.channels.filter((one) => one.kind !== "app");
  $("step-form").elements.show_to.replaceChildren(nobody(), ...people);
  $("step-form").elements.show_in.replaceChildren(
    element("option", { value: "" }, "(in a direct message)"),
    ...places.map((one) => element("option", { value: one.id }, one.name)),
  );
  $("step-end").replaceChildren();
  $("step").showModal();
});
$("step-close").addEventListener("click", () => $("step").close());
$("step-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("step-end").replaceChildren(element("p", {}, "Running …"));
  const { how, what, notice } = await act("step", { inputs: Object.fromEntries(new FormData($("step-form"))) });
  if (how === "success") {
    const rows = Object.entries(what).map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, element("pre", {}, `${value}` || "(empty)"))));
    $("step-end").replaceChildren(element("h3", {}, "The step succeeded. Its outputs:"), element("table", {}, element("tbody", {}, ...rows)));
  } else {
    $("step-end").replaceChildren(element("h3", {}, "The step failed"), element("p", {}, what ?? notice));
  }
});

addEventListener("hashchange", () => {
  const next = new URLSearchParams(location.hash.slice(1));
  if (next.get("as") === me && next.get("in") === channel) return;
  channel = next.get("in") ?? channel;
  become(next.get("as") ?? me);
});

new EventSource("api/changes").addEventListener("message", look);
