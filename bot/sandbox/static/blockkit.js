// Draws Block Kit and Slack's mrkdwn, as far as fsessions uses them; what it can't draw, it names.
// Text only ever becomes text nodes, so nothing that came from outside is read as HTML.
// https://docs.slack.dev/reference/block-kit  https://docs.slack.dev/messaging/formatting-message-text

const EMOJI = {
  fire: "🔥", cry: "😢", coffee: "☕", wave: "👋", tada: "🎉", eyes: "👀", warning: "⚠️", thumbsup: "👍", "+1": "👍",
  smile: "😄", bug: "🐛", lock: "🔒", mag: "🔍", hourglass: "⌛", white_check_mark: "✅", x: "❌", heart: "❤️",
  thinking_face: "🤔", rotating_light: "🚨", pray: "🙏",
};

export function element(name, attributes = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...inside.filter((one) => one !== undefined && one !== null && one !== false && one !== ""));
  return node;
}

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function emoji(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (all, name) => EMOJI[name] ?? all);
}

function link(url, ...label) {
  if (!/^(https?|mailto):/i.test(url)) return element("span", {}, ...label);
  return element("a", { href: url, target: "_blank", rel: "noreferrer" }, ...label);
}

// -- Dates, in the reader's own zone --------------------------------------------------------------

const DAY = 24 * 60 * 60 * 1000;

function pretty(date, otherwise) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = Math.round((midnight - new Date(date).setHours(0, 0, 0, 0)) / DAY);
  return { 0: "today", 1: "yesterday", "-1": "tomorrow" }[days] ?? otherwise;
}

export function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const form = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return form.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

function inZone(seconds, template) {
  const date = new Date(seconds * 1000);
  const say = (options) => new Intl.DateTimeFormat(undefined, options).format(date);
  const short = say({ year: "numeric", month: "short", day: "numeric" });
  const long = say({ year: "numeric", month: "long", day: "numeric" });
  const tokens = {
    date: long, date_pretty: pretty(date, long), date_short: short, date_short_pretty: pretty(date, short),
    date_num: say({ year: "numeric", month: "2-digit", day: "2-digit" }), ago: ago(date),
    time: say({ hour: "numeric", minute: "2-digit" }), time_secs: say({ timeStyle: "medium" }),
  };
  const text = template.replace(/\{(\w+)\}/g, (all, name) => tokens[name] ?? all);
  return element("time", { datetime: date.toISOString(), title: date.toString() }, text);
}

// -- mrkdwn ---------------------------------------------------------------------------------------

const TOKEN = new RegExp(
  [
    "<!date\\^(?<seconds>-?\\d+)\\^(?<template>[^|^>]*)(?:\\^(?<dateLink>[^|>]*))?\\|(?<fallback>[^>]*)>",
    "<(?<kind>[@#])(?<id>[A-Z0-9]+)(?:\\|[^>]*)?>",
    "<!(?<special>here|channel|everyone)(?:\\|[^>]*)?>",
    "<(?<url>(?:https?|mailto):[^|>]*)(?:\\|(?<label>[^>]*))?>",
    "```(?<pre>[\\s\\S]+?)```",
    "`(?<code>[^`\\n]+)`",
    "(?<![\\w*])\\*(?<bold>[^*\\n]+)\\*(?![\\w*])",
    "(?<![\\w_])_(?<italic>[^_\\n]+)_(?![\\w_])",
    "(?<![\\w~])~(?<strike>[^~\\n]+)~(?![\\w~])",
    "(?<address>[^\\s<>@()\"',;:*]+@[^\\s<>@()\"',;:*]+\\.[a-z]{2,})",
  ].join("|"),
  "g",
);

export function mrkdwn(text, names = {}, verbatim = false) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    nodes.push(emoji(unescape(text.slice(end, match.index))));
    end = match.index + match[0].length;
    nodes.push(token(match.groups, match[0], names, verbatim));
  }
  nodes.push(emoji(unescape(text.slice(end))));
  return nodes.filter((one) => one !== "");
}

function token(found, all, names, verbatim) {
  if (found.seconds) {
    const time = inZone(Number(found.seconds), unescape(found.template));
    return found.dateLink ? link(unescape(found.dateLink), time) : time;
  }
  if (found.id) return element("span", { class: "mention" }, `${found.kind}${names[found.id] ?? found.id}`);
  if (found.special) return element("span", { class: "mention" }, `@${found.special}`);
  if (found.url) return link(unescape(found.url), unescape(found.label ?? found.url));
  if (found.pre) return element("pre", {}, unescape(found.pre));
  if (found.code) return element("code", {}, unescape(found.code));
  if (found.bold) return element("strong", {}, ...mrkdwn(found.bold, names, verbatim));
  if (found.italic) return element("em", {}, ...mrkdwn(found.italic, names, verbatim));
  if (found.strike) return element("s", {}, ...mrkdwn(found.strike, names, verbatim));
  return verbatim ? unescape(all) : link(`mailto:${found.address}`, found.address);
}

function text(object, names) {
  if (object.type === "mrkdwn") return mrkdwn(object.text, names, object.verbatim);
  const plain = unescape(object.text);
  return [object.emoji === false ? plain : emoji(plain)];
}

// -- Blocks ---------------------------------------------------------------------------------------

// `context`: `names` of people and channels, `press(action_id)`, and `field(block_id)` for errors.
export function blocks(list, context) {
  return list.map((block) => (DRAWN[block.type] ?? unknown)(block, context));
}

function unknown(block) {
  return element("p", { class: "unknown" }, `This page can't draw “${block.type}”.`);
}

const DRAWN = {
  header: (block, context) => element("h3", {}, ...text(block.text, context.names)),
  divider: () => element("hr"),
  context: (block, context) =>
    element("div", { class: "context" }, ...block.elements.flatMap((one) => (one.text ? text(one, context.names) : unknown(one)))),
  actions: (block, context) =>
    element("div", { class: "actions" }, ...block.elements.map((one) => interactive(one, context))),
  section: (block, context) =>
    element(
      "div",
      { class: "section" },
      element(
        "div",
        { class: "text" },
        ...(block.text ? text(block.text, context.names) : []),
        block.fields &&
          element("div", { class: "fields" }, ...block.fields.map((one) => element("div", {}, ...text(one, context.names)))),
      ),
      block.accessory && interactive(block.accessory, context),
    ),
  input: (block, context) => {
    const id = `field-${block.block_id}`;
    const described = [block.hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
    const make = INPUTS[block.element.type];
    if (!make) return unknown(block.element);
    const input = make(block.element, { id, name: block.block_id, required: !block.optional, "aria-describedby": described });
    return element(
      "div",
      { class: "input" },
      element("label", { for: id }, ...text(block.label, context.names), block.optional && element("small", {}, " (optional)")),
      input,
      block.hint && element("p", { class: "hint", id: `${id}-hint` }, ...text(block.hint, context.names)),
      element("p", { class: "error", id: `${id}-error`, role: "alert" }),
    );
  },
};

function interactive(one, context) {
  if (one.type !== "button") return unknown(one);
  const look = one.style ? `button ${one.style}` : "button";
  const label = text(one.text, context.names);
  const press = async () => {
    if (!one.confirm || (await confirmed(one.confirm, context.names))) context.press(one.action_id);
  };
  if (one.url) {
    const attributes = { class: look, href: one.url, target: "_blank", rel: "noreferrer", onclick: press };
    return element("a", attributes, ...label);
  }
  return element("button", { type: "button", class: look, onclick: press, "data-action": one.action_id }, ...label);
}

// Asks before a press: https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object
function confirmed(question, names) {
  return new Promise((answer) => {
    const choice = (value, look, label) => element("button", { class: look, value }, ...text(label, names));
    const dialog = element(
      "dialog",
      { "aria-labelledby": "confirm-title", onclose: () => { answer(dialog.returnValue === "yes"); dialog.remove(); } },
      element(
        "form",
        { method: "dialog" },
        element("h2", { id: "confirm-title" }, ...text(question.title, names)),
        element("p", {}, ...text(question.text, names)),
        element("p", { class: "row" }, choice("no", "button", question.deny), choice("yes", "button primary", question.confirm)),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

// -- Fields of forms ------------------------------------------------------------------------------

const local = (seconds) => {
  const date = new Date(seconds * 1000);
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};

const INPUTS = {
  plain_text_input: (one, attributes) =>
    element("input", { ...attributes, autocomplete: "off", value: one.initial_value, placeholder: one.placeholder?.text, "data-type": one.type }),
  datetimepicker: (one, attributes) =>
    element("input", {
      ...attributes, type: "datetime-local", "data-type": one.type,
      value: one.initial_date_time && local(one.initial_date_time),
    }),
};

// What Slack sends of a field: https://docs.slack.dev/reference/views#state
export function state(input) {
  if (input.dataset.type === "datetimepicker") {
    const seconds = input.value ? Math.floor(new Date(input.value).getTime() / 1000) : null;
    return { type: "datetimepicker", selected_date_time: seconds };
  }
  return { type: input.dataset.type, value: input.value || null };
}
