// The conversation as this visitor's browser knows it: token, messages, what is not sent yet, the live stream. No DOM.

const PATIENCE = 15 * SECOND; // for one request
const SILENCE = 40 * SECOND; // the server gives a sign of life every 15 s: past this the stream is dead
const HIDDEN = 60 * SECOND; // a page nobody has looked at for so long gives its connection back
const OTHER_TAB = 5 * SECOND; // how long another tab is left alone with what it is sending

/** Fires "change" whenever there is something new to show. */
class Thread extends EventTarget {
  constructor(server) {
    super();
    this.server = server;
    this.store = new Store(`firstline ${server} `);
    this.token = this.store.get("token");
    this.words = this.store.get("words") || {}; // company, opening, limit: as the server last told
    this.messages = new Map(); // seq -> message
    this.unsent = new Map(); // id -> {id, text, person, at, late, refused}
    this.turn = { state: "agent", busy: false, name: "" };
    this.later = 0; // seconds for which the server wants nothing more sent, as it said last; 0: it has not said so
    this.link = "idle"; // idle | connecting | live | lost | held: the server has too many open from here
    this.cursor = "";
    this.renewed = false; // the earlier conversation could not be opened any more
    this.since = 0; // when `link` became what it is, in ms
    this.wanted = this.asked = false;
    this.naps = new Naps();
    for (const name of this.store.names("out ")) this.take(name);
    this.listen();
  }

  get started() {
    return Boolean(this.store.get("started")) || this.unsent.size > 0;
  }

  // --- what the panel asks for

  open() {
    this.wanted = this.asked = true;
    this.follow();
    this.flush();
  }

  write(text, person = false) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    const id = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const message = { id, text, person, at: Date.now() / SECOND };
    // One entry for each message, named so that they sort by time: tabs never overwrite each other's.
    this.store.set(this.outName(message), message);
    this.store.set("started", true);
    this.unsent.set(id, message);
    this.changed();
    this.open();
  }

  /** Take a message back that the server refused; its text goes to whoever asked. */
  withdraw(id) {
    const message = this.unsent.get(id);
    this.settle(id);
    this.changed();
    return message ? message.text : "";
  }

  hurry() {
    this.naps.end();
  }

  // --- what is not sent yet

  outName(message) {
    return `out ${Math.round(message.at * SECOND)} ${message.id}`;
  }

  take(name) {
    const message = this.store.get(name);
    if (message && !this.unsent.has(message.id)) this.unsent.set(message.id, message);
  }

  settle(id) {
    const message = this.unsent.get(id);
    if (!message) return;
    this.store.remove(this.outName(message));
    this.unsent.delete(id);
  }

  /** Send what is owed, oldest first and one at a time. The same id goes with each try: the server takes it once. */
  async flush() {
    if (this.flushing) return;
    this.flushing = true;
    for (let tries = 0; ; ) {
      const message = [...this.unsent.values()].sort((a, b) => a.at - b.at).find((each) => !each.refused && !each.gone);
      if (!message) break;
      try {
        await this.post(message);
        tries = this.later = 0;
      } catch (error) {
        if (error instanceof Refused) {
          message.refused = error.message;
          this.changed();
          continue;
        }
        message.late = true;
        this.later = error instanceof Later ? Math.ceil(error.wait / SECOND) : 0;
        this.changed();
        await this.naps.until(error, tries++);
      }
    }
    this.later = 0;
    this.flushing = false;
  }

  async post({ id, text, person, at }) {
    await this.greet();
    const response = await this.ask("", { id, text, person });
    const answer = await response.json().catch(() => ({}));
    if (response.status === 400 || response.status === 413) throw new Refused(answer.error || "It was not taken.");
    if (!response.ok || !answer.seq) throw new Error(`status ${response.status}`);
    this.settle(id);
    if (!this.messages.has(answer.seq)) {
      const shown = text || "Talk to a person";
      this.messages.set(answer.seq, { seq: answer.seq, author: "customer", text: shown, id, at, sources: [] });
    }
    this.changed();
    if (this.link !== "live") this.hurry();
  }

  // --- who we are

  /** Once a page: have a token that the server takes, and its words. */
  greet() {
    if (this.greeted) return null;
    this.greeting ??= this.introduce().finally(() => (this.greeting = null));
    return this.greeting;
  }

  async introduce() {
    const had = this.store.get("token");
    this.token = had;
    const response = await this.ask("/session");
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { token, ...words } = await response.json();
    // Two tabs opened at once: the token stored first is both tabs'.
    const now = this.store.get("token");
    this.token = now && now !== had ? now : token;
    this.store.set("token", this.token);
    this.store.set("words", words);
    this.words = words;
    if (had && had !== this.token) this.forget();
    this.greeted = true;
    this.changed();
  }

  forget() {
    this.renewed = this.renewed || this.messages.size > 0 || Boolean(this.store.get("started"));
    this.messages.clear();
    this.cursor = "";
    this.turn = { state: "agent", busy: false, name: "" };
    this.store.remove("read");
  }

  async ask(path, body) {
    const headers = {};
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (body) headers["content-type"] = "application/json";
    const response = await fetch(this.server + path, {
      method: "POST",
      headers,
      body: body && JSON.stringify(body),
      credentials: "omit",
      keepalive: true, // a visitor who leaves the page has sent it all the same
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.status === 403) this.greeted = false; // the next try asks for a token first
    if (response.status === 429) throw new Later(response);
    return response;
  }

  // --- the live stream

  async follow() {
    if (this.following) return;
    this.following = true;
    this.connect("connecting");
    for (let failures = 0, why; this.wanted; ) {
      try {
        await this.greet();
        await this.read(() => {
          failures = 0;
          this.connect("live");
          this.hurry();
        });
        why = null;
      } catch (error) {
        why = error; // it is tried again in any case
      }
      if (!this.wanted) break;
      failures += 1;
      // A server that restarts is back within a second or two: nobody needs to know.
      const lost = failures > 2 || !navigator.onLine;
      this.connect(why instanceof Later ? "held" : lost ? "lost" : "connecting");
      await this.naps.until(why, failures - 1);
    }
    this.following = false;
    this.connect("idle");
  }

  async read(arrived) {
    const abort = new AbortController();
    this.hangUp = () => abort.abort();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(this.hangUp, SILENCE);
    };
    alive();
    try {
      const headers = { accept: "text/event-stream", authorization: `Bearer ${this.token}` };
      if (this.cursor) headers["last-event-id"] = this.cursor;
      const options = { headers, credentials: "omit", cache: "no-store", signal: abort.signal };
      const response = await fetch(`${this.server}/stream`, options);
      if (response.status === 403) this.greeted = false;
      if (response.status === 429) throw new Later(response);
      if (!response.ok) throw new Error(`status ${response.status}`);
      arrived();
      for await (const event of events(response.body, alive)) this.apply(event);
    } finally {
      clearTimeout(watchdog);
      abort.abort();
    }
  }

  apply({ id, event, data }) {
    if (event === "message") {
      const message = JSON.parse(data);
      this.messages.set(message.seq, message);
      if (message.id) this.settle(message.id);
      this.store.set("started", true);
    } else if (event === "state") {
      this.turn = JSON.parse(data);
    }
    if (id) this.cursor = id;
    this.changed();
  }

  close() {
    this.wanted = false;
    if (this.hangUp) this.hangUp();
    this.hurry();
  }

  // --- the page and its other tabs

  listen() {
    addEventListener("online", () => this.hurry());
    addEventListener("offline", () => this.hangUp && this.hangUp());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.asked && this.open());
    let left;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(left);
      if (document.hidden) left = setTimeout(() => this.close(), HIDDEN);
      else if (this.asked) this.open();
    });
    addEventListener("storage", (event) => this.hear(event));
  }

  hear({ key, newValue }) {
    if (!key || !key.startsWith(this.store.prefix)) return;
    const name = key.slice(this.store.prefix.length);
    if (name === "token" && this.token && this.store.get("token") !== this.token) {
      this.greeted = false;
      this.forget();
      if (this.hangUp) this.hangUp();
    } else if (name.startsWith("out ") && newValue) {
      this.take(name);
      setTimeout(() => this.flush(), OTHER_TAB); // should that tab be gone by then
    } else if (name.startsWith("out ")) {
      // Sent or withdrawn over there. If it was sent, the stream is about to show it: no blinking meanwhile.
      const message = this.unsent.get(name.split(" ")[2]);
      if (message) message.gone = true;
      setTimeout(() => message && this.unsent.delete(message.id) && this.changed(), OTHER_TAB);
    }
    if (!this.wanted && this.started && !document.hidden) this.open();
    this.changed();
  }

  // --- small parts

  connect(link) {
    if (link !== this.link) this.since = Date.now();
    this.link = link;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
