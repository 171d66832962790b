// What comes appears by itself, what one does happens without a new page, and what one is writing stays as it is.
const WAIT = 1000, NEAR = 80; // milliseconds between two looks; pixels from the end that count as being at it
const drawn = new Map(); // region or message -> the server's HTML of it, as it was drawn last
const gone = document.getElementById("gone");
let version = document.body.dataset.version;
let told = new Set(); // messages of which it was said that they were seen
let doing = Promise.resolve(), acts = 0; // what one does: until it is done; how often one began and ended

const chat = () => document.getElementById("chat");
const atEnd = () => chat().scrollHeight - chat().scrollTop - chat().clientHeight < NEAR;
const toEnd = () => { chat().scrollTop = chat().scrollHeight; };

function remember(root) {
  root.querySelectorAll("[data-live]").forEach((each) => drawn.set(each.id, each.innerHTML));
  root.querySelectorAll("#chat > [id]").forEach((each) => drawn.set(each.id, each.outerHTML));
}

// Only what differs is drawn again: focus, what is unfolded and what is half heard stay.
function apply(page, own) {
  const end = atEnd(), focused = document.activeElement?.id;
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || drawn.get(old.id) === fresh.innerHTML) continue;
    if (old.id === "said" && !own) continue; // what was said stays until one does something else
    if (old === chat()) applyChat(old, fresh);
    else old.replaceChildren(...[...fresh.childNodes].map((each) => document.importNode(each, true)));
    drawn.set(old.id, fresh.innerHTML);
  }
  document.body.className = page.body.className;
  document.title = page.title;
  version = page.body.dataset.version;
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
  if (end) toEnd();
  watch();
}

function applyChat(old, fresh) {
  const wanted = [...fresh.children];
  const ids = new Set(wanted.map((each) => each.id));
  [...old.children].forEach((each) => { if (!ids.has(each.id)) each.remove(); });
  wanted.forEach((each, index) => {
    const have = document.getElementById(each.id), html = each.outerHTML;
    if (have && drawn.get(each.id) === html) {
      if (old.children[index] !== have) old.insertBefore(have, old.children[index] ?? null);
      return;
    }
    const made = document.importNode(each, true), menu = made.querySelector(".more");
    if (menu) menu.open = have?.querySelector(".more")?.open ?? false;
    if (have) have.replaceWith(made);
    else old.insertBefore(made, old.children[index] ?? null);
    drawn.set(each.id, html);
  });
}

// The page of an answer; none where it is a sentence only, which is said.
async function read(answer) {
  if ((answer.headers.get("content-type") ?? "").includes("text/html")) {
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }
  say((await answer.json()).error ?? "That did not work. Try it once more.");
  return null;
}

function say(sentence) {
  const line = document.createElement("p");
  line.className = "notice";
  line.setAttribute("role", "alert");
  line.textContent = sentence;
  document.getElementById("said").replaceChildren(line);
  drawn.delete("said");
}

// One thing after the other: what is shown is the answer to the last thing one did.
function go(address, options) {
  doing = doing.then(() => act(address, options));
  return doing;
}

async function act(address, options) {
  acts++;
  try {
    const answer = await fetch(address, { cache: "no-store", ...options });
    if (answer.redirected || !options) history.replaceState(null, "", answer.url);
    const page = await read(answer);
    if (page) apply(page, true);
    gone.hidden = true;
    return answer.ok;
  } catch {
    gone.hidden = false;
    return false;
  } finally {
    acts++;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target, data = new FormData(form, event.submitter);
  event.preventDefault();
  if (form.ariaBusy === "true") return; // pressed twice: sent once
  form.ariaBusy = "true";
  const done = await go(form.action, { method: "POST", body: data });
  form.ariaBusy = null;
  if (!done || !("reset" in form.dataset)) return;
  const words = form.elements.text, next = words.value === data.get("text") ? "" : words.value; // the next one is begun already
  form.reset();
  words.value = next;
  toEnd();
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-quiet]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const done = await go(link.href), now = document.activeElement;
  if (done && (now === document.body || now === link)) document.getElementById(link.dataset.quiet)?.focus(); // else one is elsewhere by now
});

// What is unfolded is on the screen.
document.addEventListener("toggle", ({ target }) => {
  if (target.open) target.closest(".bubble, .attach")?.scrollIntoView({ block: "nearest" });
}, true);

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

// A message is read when it is seen: on the screen, in a page that somebody looks at.
const eyes = new IntersectionObserver((entries) => {
  if (document.visibilityState !== "visible") return;
  const seen = entries.filter((each) => each.isIntersecting).map((each) => each.target.id).filter((id) => !told.has(id));
  if (!seen.length) return;
  seen.forEach((id) => told.add(id));
  const body = new FormData();
  seen.forEach((id) => body.append("sid", id));
  fetch("/phone/seen", { method: "POST", body }).catch(() => seen.forEach((id) => told.delete(id)));
}, { threshold: 0.2 });

function watch() {
  eyes.disconnect();
  document.querySelectorAll("#chat > [data-unread]").forEach((each) => eyes.observe(each));
}

async function look() {
  const before = acts;
  try {
    const now = String(await (await fetch("/phone/version", { cache: "no-store" })).json());
    gone.hidden = true;
    if (now === version) return;
    const page = await read(await fetch(location.href, { cache: "no-store" }));
    if (page && before === acts) apply(page, false); // else it may be older than what is shown; the next look is not
  } catch {
    gone.hidden = false;
  }
}

remember(document);
toEnd();
watch();
document.addEventListener("visibilitychange", watch);
(function again() { setTimeout(() => look().finally(again), WAIT); })();
