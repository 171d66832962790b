// <firstline-chat>: the button, the panel and what is in it. Every word is set as text, never as markup.

const NEAR_LIMIT = 200; // characters left when the counter appears
const SLOW = 600; // ms before waiting is worth a word

class FirstlineChat extends HTMLElement {
  connectedCallback() {
    if (this.thread) return;
    this.server = this.dataset.server || SERVER;
    this.thread = new Thread(this.server);
    this.tab = new Store(`firstline ${this.server} `, "sessionStorage");
    this.build();
    this.thread.addEventListener("change", () => this.soon());
    const wide = matchMedia("(min-width: 560px)").matches;
    // A page that is reloaded or left for the next one keeps the panel open; a phone shows its page first.
    const before = this.tab.get("open");
    if (before === null ? "open" in this.dataset && this.dataset.open !== "false" : before && wide) this.open(false);
    else if (this.thread.started) this.thread.open();
    this.render();
  }

  build() {
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];

    this.count = h("span.count", { "aria-hidden": "true", hidden: true });
    this.launcher = h("button.launcher", { type: "button", "aria-haspopup": "dialog", click: () => this.open() });
    this.launcher.append(icon("chat"), this.count);

    this.heading = h("h2", { id: "title" });
    this.sub = h("p.sub");
    this.person = h("button.call", { type: "button", click: () => this.callPerson() });
    const close = h("button.plain", { type: "button", "aria-label": "Close chat", click: () => this.close() }, icon("close"));
    const header = h("header", {}, h("div.row", {}, this.heading, this.person, close), this.sub);

    this.banner = h("div.banner", { role: "status" });
    this.opening = h("div.message.agent", { hidden: true });
    this.renewed = h("p.note", { hidden: true }, "Your earlier conversation can't be opened here any more. This is a new one.");
    this.typing = h("div.typing", { "aria-hidden": "true", hidden: true }, h("i"), h("i"), h("i"));
    this.messages = new Messages(this.thread, {
      edit: (id) => this.fill([this.thread.withdraw(id), this.input.value].filter(Boolean).join("\n")),
      grow: (change) => this.keepEnd(change),
      seen: () => !this.panel.hidden,
    });
    this.log = h("div.log", { tabindex: "0", role: "group", "aria-label": "Conversation", scroll: () => this.scrolled() });
    this.log.append(this.opening, this.renewed, this.messages.node, this.typing);
    this.latest = h("button.latest", { type: "button", hidden: true, click: () => this.toEnd(true) }, icon("down"), "New message");

    this.input = h("textarea", {
      rows: "1",
      placeholder: "Write a message",
      "aria-label": "Your message",
      "aria-describedby": "left",
      enterkeyhint: "send",
      input: () => this.typed(),
      keydown: (event) => this.pressed(event),
    });
    this.left = h("p.left", { id: "left", "aria-live": "polite" });
    this.send = h("button.send", { type: "submit", "aria-label": "Send" }, icon("send"));
    const submit = (event) => {
      event.preventDefault();
      this.say();
    };
    const composer = h("form.composer", { submit }, h("div.field", {}, this.input, this.send), this.left);

    this.panel = h("section.panel", { role: "dialog", "aria-labelledby": "title", tabindex: "-1", hidden: true });
    this.panel.append(header, this.banner, h("div.middle", {}, this.log, this.latest), composer);
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      this.close();
    });

    this.widget = h("div.widget", { "data-position": this.dataset.position, "data-theme": this.dataset.theme });
    this.widget.append(this.launcher, this.panel);
    this.paint(this.dataset.accent);
    root.append(this.widget);
    this.input.value = this.tab.get("draft") || "";
    window.visualViewport?.addEventListener("resize", () => this.fit());
  }

  // --- what the visitor does

  open(focus = true) {
    if (this.panel.hidden) {
      this.panel.hidden = false;
      this.launcher.hidden = true;
      this.tab.set("open", true);
      this.thread.open();
      this.fit();
      this.render();
      this.grow();
      this.toEnd();
    }
    // On a phone the keyboard would cover what there is to read.
    if (focus) (matchMedia("(pointer: coarse)").matches ? this.panel : this.input).focus({ preventScroll: true });
  }

  close() {
    this.panel.hidden = true;
    this.launcher.hidden = false;
    this.tab.set("open", false);
    this.render();
    this.launcher.focus({ preventScroll: true });
  }

  say() {
    const text = this.input.value.trim();
    if (!text || this.over > 0) return;
    this.thread.write(text);
    this.fill("");
    this.toEnd();
  }

  callPerson() {
    if (this.person.getAttribute("aria-disabled") === "true" || this.over > 0) return;
    this.thread.write(this.input.value.trim(), true);
    this.fill("");
    this.toEnd();
  }

  pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.say();
  }

  typed() {
    this.tab.set("draft", this.input.value);
    this.grow();
    this.renderComposer();
  }

  fill(text) {
    this.input.value = text;
    this.typed();
    this.input.focus({ preventScroll: true });
  }

  // --- what the visitor sees

  soon() {
    // Many events come at once when a conversation is read from its beginning: they are drawn once.
    this.planned ??= setTimeout(() => {
      this.planned = null;
      this.render();
    });
  }

  render() {
    const { words, turn, link: connection } = this.thread;
    const atEnd = this.atEnd();
    const company = words.company || "us";
    this.heading.textContent = this.dataset.title || (words.company ? capital(words.company) : "Chat with us");
    const person = turn.state === "person";
    const helper = person && turn.name ? `${turn.name}, ${company}` : "AI assistant · answers from our help centre";
    this.sub.textContent = helper;
    const calling = [...this.thread.unsent.values()].some((message) => message.person && !message.refused);
    this.person.textContent = person ? "With a person" : turn.state === "waiting" || calling ? "Person called" : "Talk to a person";
    this.person.setAttribute("aria-disabled", String(person || turn.state === "waiting" || calling));
    this.renderOpening(words.opening);
    this.renderBanner();
    const news = this.messages.render();
    this.typing.hidden = !(turn.busy && turn.state === "agent" && connection === "live");
    if (atEnd) this.toEnd();
    else if (news) this.latest.hidden = false;
    this.renderComposer();
    this.renderCount(company);
  }

  renderOpening(opening) {
    this.renewed.hidden = !this.thread.renewed;
    if (!opening || this.opening.dataset.text === opening) return;
    this.opening.dataset.text = opening;
    this.opening.replaceChildren(h("p.by", {}, "AI assistant"), h("div.bubble", {}, h("p.text", { dir: "auto" }, opening)));
    this.opening.hidden = false;
  }

  renderBanner() {
    const { link: connection, since, turn } = this.thread;
    const waited = Date.now() - since;
    let [kind, text] = {
      waiting: ["waiting", "A person has been called. You can keep writing."],
      person: ["person", `${turn.name || "A person"} is here.`],
      resolved: ["resolved", "This conversation was closed. Write to open it again."],
    }[turn.state] || ["", ""];
    if (connection === "lost") {
      const cause = navigator.onLine ? "We can't be reached right now." : "You're offline.";
      [kind, text] = ["lost", `${cause} Your messages are kept and will be sent.`];
    } else if (connection === "held") {
      [kind, text] = ["held", "Too many chats are open from here. This one goes on by itself in a moment."];
    } else if (connection === "connecting" && waited >= SLOW) {
      [kind, text] = ["connecting", "Connecting…"];
    } else if (connection === "connecting") {
      setTimeout(() => this.soon(), SLOW - waited + 10);
    }
    if (this.banner.dataset.text === text) return;
    this.banner.dataset.text = text;
    this.banner.dataset.kind = kind;
    const retry = h("button", { type: "button", click: () => this.thread.hurry() }, "Try now");
    this.banner.replaceChildren(...(text ? [h("span", {}, text)] : []), ...(kind === "lost" ? [retry] : []));
  }

  renderComposer() {
    const left = (this.thread.words.limit || 4000) - [...this.input.value.trim()].length;
    this.over = Math.max(0, -left);
    this.left.textContent = left < 0 ? `${-left} too many: shorten your message.` : left <= NEAR_LIMIT ? `${left} left` : "";
    this.left.classList.toggle("over", left < 0);
    this.send.disabled = left < 0 || !this.input.value.trim();
  }

  renderCount(company) {
    const theirs = [...this.thread.messages.values()].filter((message) => message.author !== "customer");
    const last = Math.max(0, ...theirs.map((message) => message.seq));
    const read = this.thread.store.get("read") || 0;
    if (!this.panel.hidden && !document.hidden && last > read) this.thread.store.set("read", last);
    const unread = this.panel.hidden ? theirs.filter((message) => message.seq > read).length : 0;
    this.count.hidden = !unread;
    this.count.textContent = unread > 9 ? "9+" : unread;
    const news = unread ? `, ${unread} unread ${unread === 1 ? "message" : "messages"}` : "";
    this.launcher.setAttribute("aria-label", `Chat with ${company}${news}`);
  }

  // --- room and colour

  atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
  }

  toEnd(focus = false) {
    this.log.scrollTop = this.log.scrollHeight;
    this.latest.hidden = true;
    if (focus) this.input.focus({ preventScroll: true });
  }

  /** Whoever reads the newest words still sees them after the change; whoever reads earlier ones is left there. */
  keepEnd(change) {
    const atEnd = this.atEnd();
    change();
    if (atEnd) this.toEnd();
  }

  scrolled() {
    if (this.atEnd()) this.latest.hidden = true;
  }

  grow() {
    this.keepEnd(() => {
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
    });
  }

  /** A phone's keyboard takes its part of the screen: the sheet gets what is left. */
  fit() {
    const height = window.visualViewport?.height;
    if (height) this.widget.style.setProperty("--screen", `${Math.round(height)}px`);
    this.toEnd();
  }

  /** The site's own colour, with black or white on it, whichever is easier to read. */
  paint(accent) {
    if (!accent || !CSS.supports("color", accent)) return;
    const canvas = h("canvas", { width: "1", height: "1" }).getContext("2d");
    canvas.fillStyle = accent;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue; // WCAG 2.2, relative luminance
    this.widget.style.setProperty("--accent", accent);
    this.widget.style.setProperty("--on-accent", luminance > 0.179 ? "#111" : "#fff");
  }
}
