// Elements, icons and words: the panel's small parts. Text becomes text, never markup.

const ICONS = {
  chat: "M21 12a8 8 0 0 1-8 8H4l1.7-3.1A8 8 0 1 1 21 12Z",
  close: "M6 6l12 12M18 6 6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
};

/** An element: h("p.text", {dir: "auto"}, "words", child). Functions are listeners. */
function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of [["viewBox", "0 0 24 24"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** "14:02"; with its day if that is not today. */
function clock(seconds) {
  const then = new Date(seconds * SECOND);
  const time = { hour: "2-digit", minute: "2-digit" };
  const today = then.toDateString() === new Date().toDateString();
  return then.toLocaleString([], today ? time : { day: "numeric", month: "short", ...time });
}

/** "20 seconds", "2 minutes". */
function span(seconds) {
  const [number, unit] = seconds < 120 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}

function sentences(text) {
  if (!("Segmenter" in Intl)) return [text];
  return [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(text)].map((each) => each.segment);
}

/** The text as strings and links; a link only where it stays on `host`. */
function linked(text, host) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]'])/).map((part, place) => {
    if (place % 2 === 0 || !URL.canParse?.(part) || new URL(part).host !== host) return part;
    return link(part, part);
  });
}

function link(text, href) {
  return h("a", { href, target: "_blank", rel: "noopener" }, text);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
