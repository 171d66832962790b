// Says that this page has the article open, and shows who else has.
const EVERY = 5000;
const form = document.getElementById("article");
const others = document.getElementById("others");
// Each page its own: the same person may have two.
const page = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let timer;
let asking = false;
let left = false;

const address = (verb) => `/desk/articles/${form.dataset.article}/${verb}`;
const fields = (more) => new URLSearchParams({ csrf: form.elements.csrf.value, page, ...more });

async function say() {
  if (asking || left) return;
  asking = true;
  try {
    const body = fields({ hidden: document.hidden });
    const response = await fetch(address("here"), { method: "POST", body, signal: AbortSignal.timeout(EVERY) });
    if (response.redirected || response.status === 401) { clearInterval(timer); show(""); } // signed out: saving says so
    else if (response.ok) show(await response.text());
  } catch { /* not reached: what was known stays, and it is asked again */ }
  asking = false;
}

function show(html) {
  const words = html.trim();
  // Only what is new is read out.
  if (others.dataset.shown !== words) others.innerHTML = others.dataset.shown = words;
}

function start() {
  left = false;
  clearInterval(timer);
  timer = setInterval(say, EVERY);
  say();
}

if (others && form) {
  start();
  // A page that is being left is hidden too, and must not come back by saying so.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) say(); });
  addEventListener("pagehide", () => { left = true; clearInterval(timer); navigator.sendBeacon(address("gone"), fields({})); });
  addEventListener("pageshow", (event) => { if (event.persisted) start(); });
}
