// The messages of a conversation as nodes: each is drawn once, kept in its place, and drawn again where it changed.

const PAUSE = 10 * 60; // seconds after which a message gets its time again
const READING = { least: 350, most: 1100, perCharacter: 11 }; // ms between the sentences of an answer

class Messages {
  /** `edit(id)`: the visitor wants it back; `grow(change)`: do what makes the log longer; `seen()`: is it looked at. */
  constructor(thread, { edit, grow, seen }) {
    this.thread = thread;
    this.host = new URL(thread.server).host;
    Object.assign(this, { edit, grow, seen });
    this.node = h("div.messages", { role: "log", "aria-live": "polite", "aria-label": "Messages" });
    this.drawn = new Map(); // key -> {node, as}
  }

  /** Whether somebody else said something that was not there before. */
  render() {
    const { messages, unsent, later } = this.thread;
    const shown = [...messages.values()].sort((a, b) => a.seq - b.seq);
    const known = new Set(shown.map((message) => message.id).filter(Boolean));
    const owed = [...unsent.values()].filter((message) => !known.has(message.id)).sort((a, b) => a.at - b.at);
    const all = [...shown, ...owed.map((message) => ({ ...message, author: "customer", owed: !message.gone, later }))];
    const keys = new Set();
    let place = this.node.firstChild;
    let before = null;
    let news = false;
    for (const message of all) {
      const key = message.id || message.seq;
      keys.add(key);
      const follows = before && before.author === message.author && before.name === message.name && message.at - before.at < PAUSE;
      const as = JSON.stringify(message);
      let drawn = this.drawn.get(key);
      if (!drawn || drawn.as !== as) {
        const node = this.draw(message, drawn ? drawn.node : null);
        if (!drawn) news = news || message.author !== "customer";
        else if (drawn.node !== node) {
          if (place === drawn.node) place = node;
          drawn.node.replaceWith(node);
        }
        drawn = { node, as };
        this.drawn.set(key, drawn);
      }
      drawn.node.classList.toggle("follows", Boolean(follows));
      if (drawn.node === place) place = place.nextSibling;
      else this.node.insertBefore(drawn.node, place);
      before = message;
    }
    for (const [key, { node }] of this.drawn) {
      if (keys.has(key)) continue;
      node.remove();
      this.drawn.delete(key);
    }
    return news;
  }

  draw(message, earlier) {
    const { author, name, at, sources = [], disclosure } = message;
    const words = message.text || "Talk to a person";
    if (earlier && author === "customer") return this.redraw(earlier, words, message);
    if (author === "system") return h("p.note", { dir: "auto" }, words);
    const who = { customer: "You", agent: "AI assistant" }[author] || name || "A person";
    const time = h("time", { datetime: new Date(at * SECOND).toISOString() }, clock(at));
    const text = h("p.text", { dir: "auto" });
    const bubble = h("div.bubble", {}, text);
    const node = h(`div.message.${author}`, {}, h("p.by", {}, who, " ", time), bubble);
    if (disclosure) bubble.prepend(h("p.disclosure", { dir: "auto" }, disclosure));
    const cited = sources.filter((source) => /^(https?:)?\//.test(source.url));
    const from = h("p.sources", {}, "From: ", ...cited.flatMap(({ title, url }, place) => [
      ...(place ? [", "] : []),
      link(title, new URL(url, this.thread.server).href),
    ]));
    if (cited.length) bubble.append(from);
    if (author === "customer") this.drawFate(node, message);
    // What was there when the page was opened is simply there; what comes now appears as people read.
    const fresh = !earlier && this.thread.link === "live" && Date.now() - this.thread.since > SECOND && this.seen();
    if (fresh) node.classList.add("fresh");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (author === "agent" && fresh && !calm) this.reveal(text, from, sentences(words));
    else text.append(...linked(words, this.host));
    return node;
  }

  /** The visitor's own message in its place, so that a screen reader does not say it again when it is sent. */
  redraw(node, words, message) {
    const text = node.querySelector(".text");
    if (text.textContent !== words) text.replaceChildren(...linked(words, this.host));
    this.drawFate(node, message);
    return node;
  }

  drawFate(node, { id, owed, late, later, refused }) {
    node.querySelector(".fate")?.remove();
    if (!owed) return;
    if (refused) {
      const edit = h("button", { type: "button", click: () => this.edit(id) }, "Edit");
      node.append(h("p.fate.refused", {}, `Not sent. ${refused} `, edit));
    } else if (later) {
      const when = ` A lot came from here at once: it is sent by itself in ${span(later)}.`;
      node.append(h("p.fate", {}, "Not sent yet.", late ? when : "")); // the time is the next one's; others come after it
    } else if (late) {
      const now = h("button", { type: "button", click: () => this.thread.hurry() }, "Try now");
      node.append(h("p.fate", {}, "Not sent yet. ", now));
    } else {
      node.append(h("p.fate.sending", { "aria-hidden": "true" }, "Sending…"));
    }
  }

  /** The whole text is here and checked already; only its appearing takes time. */
  reveal(text, from, parts) {
    const spans = parts.map((part) => h("span", {}, ...linked(part, this.host)));
    text.append(...spans);
    for (const hidden of [...spans.slice(1), from]) hidden.hidden = true;
    let wait = 0;
    [...spans.slice(1), from].forEach((next, place) => {
      const reading = parts[place].length * READING.perCharacter;
      wait += Math.min(READING.most, Math.max(READING.least, reading));
      setTimeout(() => this.grow(() => (next.hidden = false)), wait);
    });
  }
}
