// Draws Block Kit and Slack's mrkdwn, as far as fsessions uses them; what it can't draw, it names.
// Text only ever becomes text nodes, so nothing that came from outside is read as HTML.
// https://docs.slack.dev/reference/block-kit  https://docs.slack.dev/messaging/formatting-message-text

const EMOJI = {
  fire: "🔥", cry: "😢", coffee: "☕", wave: "👋", tada: "🎉", eyes: "👀", warning: "⚠️", thumbsup: "👍", "+1": "👍",
  smile: "😄", bug: "🐛", beetle: "🐞", lock: "🔒", mag: "🔍", hourglass: "⌛", white_check_mark: "✅", x: "❌", heart: "❤️",
  thinking_face: "🤔", rotating_light: "🚨", pray: "🙏", dart: "🎯", rewind: "⏪", film_frames: "🎞️",
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

// The demo has no network: instead of Fullstory, a page says what would open.
function opened(url) {
  return /^https:\/\/app\.fullstory\.com\//i.test(url) ? `replay.html#${encodeURIComponent(url)}` : url;
}

function link(url, ...label) {
  if (!/^(https?|mailto):/i.test(url)) return element("span", {}, ...label);
  return element("a", { href: opened(url), target: "_blank", rel: "noreferrer" }, ...label);
}

// -- Dates, in the reader's own zone --------------------------------------------------------------

// "7:05 PM", or "07:05" where clocks have 24 hours, so that times line up.
const has12Hours = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12;
export const CLOCK = { hour: has12Hours ? "numeric" : "2-digit", minute: "2-digit" };

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
    if (Math.abs(seconds) >= size) return form.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

function inZone(seconds, template) {
  const date = new Date(seconds * 1000);
  const say = (options) => new Intl.DateTimeFormat(undefined, options).format(date);
  const short = say({ year: "numeric", month: "short", day: "numeric" });
  const long = say({ year: "numeric", month: "long", day: "numeric" });
  const thisYear = date.getFullYear() === new Date().getFullYear();
  const divider = say({ weekday: "long", month: "long", day: "numeric", ...(thisYear ? {} : { year: "numeric" }) });
  const tokens = {
    date: long, date_pretty: pretty(date, long), date_short: short, date_short_pretty: pretty(date, short),
    day_divider_pretty: pretty(date, divider),
    date_num: say({ year: "numeric", month: "2-digit", day: "2-digit" }), ago: ago(date),
    time: say(CLOCK), time_secs: say({ timeStyle: "medium" }),
  };
  const filled = template.replace(/\{(\w+)\}/g, (all, name) => tokens[name] ?? all);
  const text = filled.charAt(0).toUpperCase() + filled.slice(1); // as Slack does
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
    "^> ?(?<quote>[^\\n]*)",
    "`(?<code>[^`\\n]+)`",
    "(?<![\\w*])\\*(?<bold>[^*\\n]+)\\*(?![\\w*])",
    "(?<![\\w_])_(?<italic>[^_\\n]+)_(?![\\w_])",
    "(?<![\\w~])~(?<strike>[^~\\n]+)~(?![\\w~])",
    "(?<address>[^\\s<>@()\"',;:*]+@[^\\s<>@()\"',;:*]+\\.[a-z]{2,})",
  ].join("|"),
  "gm",
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
  if (found.quote !== undefined) return element("span", { class: "quote" }, ...mrkdwn(found.quote, names, verbatim));
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

// `context`: `names` of people and channels, `press(action_id, value)`, and in windows the `channels`
// to choose from and the `channel` that is open.
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
  rich_text: (block, context) => element("div", { class: "rich" }, ...block.elements.map((one) => richPart(one, context))),
  input: (block, context) => {
    const id = `field-${block.block_id}`;
    const described = [block.hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
    const make = INPUTS[block.element.type];
    if (!make) return unknown(block.element);
    const input = make(block.element, { id, name: block.block_id, required: !block.optional, "aria-describedby": described }, context);
    const label = [...text(block.label, context.names), block.optional && element("small", {}, " (optional)")];
    const group = input.tagName === "FIELDSET";
    if (group) input.prepend(element("legend", {}, ...label));
    return element(
      "div",
      { class: "input" },
      !group && element("label", { for: id }, ...label),
      input,
      block.hint && element("p", { class: "hint", id: `${id}-hint` }, ...text(block.hint, context.names)),
      element("p", { class: "error", id: `${id}-error`, role: "alert" }),
    );
  },
};

// -- Rich text ------------------------------------------------------------------------------------

function richPart(part, context) {
  if (part.type === "rich_text_list") {
    const items = part.elements.map((one) => element("li", {}, ...one.elements.map((piece) => richPiece(piece, context))));
    return element(part.style === "ordered" ? "ol" : "ul", { class: "bullets" }, ...items);
  }
  if (part.type === "rich_text_preformatted") {
    return element("pre", {}, ...part.elements.map((piece) => richPiece(piece, context)));
  }
  if (part.type !== "rich_text_section") return unknown(part);
  return element("p", {}, ...part.elements.map((piece) => richPiece(piece, context)));
}

function richPiece(piece, context) {
  let node;
  if (piece.type === "date") {
    const time = inZone(piece.timestamp, piece.format);
    node = piece.url ? link(piece.url, time) : time;
  } else if (piece.type === "link") node = link(piece.url, piece.text ?? piece.url);
  else if (piece.type === "text") node = element("span", {}, piece.text);
  else if (piece.type === "emoji") node = element("span", {}, EMOJI[piece.name] ?? `:${piece.name}:`);
  else if (piece.type === "user") node = element("span", { class: "mention" }, `@${context.names[piece.user_id] ?? piece.user_id}`);
  else if (piece.type === "channel") node = element("span", { class: "mention" }, `#${context.names[piece.channel_id] ?? piece.channel_id}`);
  else return unknown(piece);
  for (const [style, tag] of [["bold", "strong"], ["italic", "em"], ["strike", "s"], ["code", "code"]]) {
    if (piece.style?.[style]) node = element(tag, {}, node);
  }
  return node;
}

// -- What can be pressed --------------------------------------------------------------------------

function interactive(one, context) {
  if (one.type === "overflow") return overflow(one, context);
  if (one.type !== "button") return unknown(one);
  const look = one.style ? `button ${one.style}` : "button";
  const label = text(one.text, context.names);
  const press = async () => {
    if (!one.confirm || (await confirmed(one.confirm, context.names))) context.press(one.action_id, "");
  };
  if (one.url) {
    const attributes = { class: look, href: opened(one.url), target: "_blank", rel: "noreferrer", onclick: press };
    return element("a", attributes, ...label);
  }
  return element("button", { type: "button", class: look, onclick: press, "data-action": one.action_id }, ...label);
}

function overflow(one, context) {
  const entries = one.options.map((option) => ({
    label: text(option.text, context.names),
    choose: () => context.press(one.action_id, option.value),
  }));
  return popup("⋯", { "aria-label": "More actions", class: "button dots" }, entries);
}

// A button that opens a menu: arrow keys move, Escape closes, and the focus goes back to the button.
export function popup(face, attributes, entries) {
  const close = (refocus) => {
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (refocus) button.focus();
  };
  const open = () => {
    list.hidden = false;
    button.setAttribute("aria-expanded", "true");
    list.firstChild?.focus();
  };
  const items = entries.map(({ label, choose }) =>
    element("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => { close(true); choose(); } }, ...label));
  const list = element("div", { role: "menu", class: "popup", hidden: true }, ...items);
  const toggle = () => (list.hidden ? open() : close(true));
  const button = element(
    "button",
    { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", ...attributes, onclick: toggle },
    element("span", { "aria-hidden": "true" }, face),
  );
  const node = element("span", { class: "has-popup" }, button, list);
  node.addEventListener("keydown", (event) => {
    const here = items.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close(true);
    } else if (step && list.hidden) {
      event.preventDefault();
      open();
    } else if (step) {
      event.preventDefault();
      items[(here + step + items.length) % items.length].focus();
    }
  });
  node.addEventListener("focusout", (event) => {
    if (!node.contains(event.relatedTarget)) close(false);
  });
  return node;
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
    one.multiline ? element("textarea", { ...attributes, rows: 14, "data-type": one.type }, one.initial_value ?? "") :
    element("input", { ...attributes, autocomplete: "off", value: one.initial_value, placeholder: one.placeholder?.text, "data-type": one.type }),
  datetimepicker: (one, attributes) =>
    element("input", {
      ...attributes, type: "datetime-local", "data-type": one.type,
      value: one.initial_date_time && local(one.initial_date_time),
    }),
  static_select: (one, attributes) =>
    element(
      "select",
      { ...attributes, "data-type": one.type },
      ...one.options.map((option) =>
        element("option", { value: option.value, selected: option.value === one.initial_option?.value }, unescape(option.text.text))),
    ),
  conversations_select: (one, attributes, context) =>
    element(
      "select",
      { ...attributes, "data-type": one.type },
      ...context.channels.map(({ id, name }) =>
        element("option", { value: id, selected: one.default_to_current_conversation && id === context.channel }, `#${name}`)),
    ),
  radio_buttons: (one, attributes, context) => choices(one, attributes, context, "radio", [one.initial_option?.value]),
  checkboxes: (one, attributes, context) =>
    choices(one, attributes, context, "checkbox", (one.initial_options ?? []).map((option) => option.value)),
};

function choices(one, { id, name }, context, type, chosen) {
  const boxes = one.options.map((option) =>
    element(
      "label",
      { class: "choice" },
      element("input", { type, name: `${name}-choice`, value: option.value, checked: chosen.includes(option.value) }),
      element("span", {}, ...text(option.text, context.names)),
    ));
  return element("fieldset", { id, "data-type": one.type, "data-name": name }, ...boxes);
}

// What Slack sends of a field: https://docs.slack.dev/reference/views#state
export function state(field) {
  const type = field.dataset.type;
  const option = (value) => ({ value });
  if (type === "datetimepicker") {
    const seconds = field.value ? Math.floor(new Date(field.value).getTime() / 1000) : null;
    return { type, selected_date_time: seconds };
  }
  if (type === "static_select") return { type, selected_option: option(field.value) };
  if (type === "conversations_select") return { type, selected_conversation: field.value };
  if (type === "radio_buttons") {
    const chosen = field.querySelector("input:checked");
    return { type, selected_option: chosen ? option(chosen.value) : null };
  }
  if (type === "checkboxes") {
    return { type, selected_options: [...field.querySelectorAll("input:checked")].map((one) => option(one.value)) };
  }
  return { type, value: field.value || null };
}
