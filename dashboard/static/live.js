// Keeps the open page current: the stream says which version is current, the page asks for what it shows an older one of.
const banner = document.getElementById("banner");
const LOST = "Not live: trying again. What you see may be old.";
let source;
let watched;
let wait = 1000;
let again;
let stays = false; // what the banner says, until its reader does the next thing

const find = (id) => document.getElementById(id);
const opened = () => find("desk").dataset.open;
const refresh = (id) => { if (find(id)) htmx.trigger(find(id), `desk:${id}`); };
export const say = (words) => { find("announce").textContent = words; };

function warn(words, stay = false) {
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = !words;
  stays = stay;
}

function follow() {
  clearTimeout(again);
  source?.close();
  watched = opened();
  source = new EventSource(`/desk/live?conversation=${watched}`);
  source.addEventListener("state", (event) => {
    const now = JSON.parse(event.data);
    wait = 1000;
    if (banner.textContent === LOST) warn("");
    if (now.queue !== find("queue-state")?.dataset.version) refresh("queue");
    const head = document.querySelector(".head");
    if (head && Number(head.dataset.clock) < now.clock) refresh("conversation");
  });
  // The queue's answer leads to the login page.
  source.addEventListener("signed-out", () => { source.close(); refresh("queue"); });
  source.onerror = () => {
    source.close();
    warn(LOST);
    clearTimeout(again);
    again = setTimeout(() => { refresh("queue"); follow(); }, wait);
    wait = Math.min(wait * 2, 15000);
  };
}

function retitle() {
  const state = find("queue-state");
  if (!state) return;
  const waiting = Number(state.dataset.waiting);
  const label = document.querySelector(".head")?.dataset.label || "Queue";
  document.title = `${waiting ? `(${waiting}) ` : ""}${label} - Firstline`;
  const icon = find("favicon");
  icon.href = waiting ? icon.dataset.called : icon.dataset.calm;
}

// The timeline stays at its end, unless somebody is reading further up.
let atEnd = true;
let shown;
let last;
const scroller = () => document.querySelector(".scroll");
const bottom = () => { const box = scroller(); if (box) box.scrollTop = box.scrollHeight; };
document.addEventListener("scroll", (event) => {
  const box = event.target;
  if (box === scroller()) atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
}, true);

function settle() {
  retitle();
  const messages = document.querySelectorAll(".message");
  const newest = messages[messages.length - 1];
  if (opened() !== shown) {
    shown = opened();
    atEnd = true;
    bottom();
    // On a narrow screen the row that was pressed is not there any more.
    if (!document.activeElement?.checkVisibility?.()) find("conversation-title")?.focus();
  } else if (newest && newest.id !== last) {
    if (newest.dataset.author !== "You") say(`New message from ${newest.dataset.author}`);
    else atEnd = true;
  }
  last = newest?.id;
  if (atEnd) bottom();
  if (opened() !== watched) follow();
}

// An answer belongs to the conversation that was open when it was asked for. Another one may be when it comes: shown in
// its place, words meant for one customer would go to the other.
const acted = (ctx) => ctx?.request?.method === "POST";
const looked = (ctx) => ctx.sourceElement.matches("#queue, #conversation");
const late = (ctx) => ctx?.about && ctx.about.open !== opened();
document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.target?.contains(find("desk"))) return; // it opens one
  ctx.about = { open: opened(), label: document.querySelector(".head")?.dataset.label, from: document.activeElement };
});
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  if (!late(ctx)) return;
  event.preventDefault();
  if (looked(ctx)) refresh(ctx.sourceElement.id); // a look at what is open now may have been dropped behind this one
});

function fail(ctx, words) {
  if (!late(ctx)) warn(words, acted(ctx) && Boolean(ctx.response)); // a server that is not there is told of until it is back
  else if (acted(ctx)) warn(`About ${ctx.about.label}: ${words}`, true);
}

// What the page would have shown of a refusal by itself.
function refusal(ctx) {
  const sentence = new DOMParser().parseFromString(ctx.text, "text/html").querySelector("#sentence > span");
  if (!sentence) return null;
  return ctx.request.body?.get("text") ? `${sentence.textContent} What you typed is kept there.` : sentence.textContent;
}

document.addEventListener("htmx:after:swap", settle);
document.addEventListener("htmx:after:request", (event) => {
  if (banner.textContent !== LOST && !(stays && looked(event.detail.ctx))) warn("");
});
document.addEventListener("htmx:response:error", (event) => {
  const { ctx } = event.detail;
  const { status, raw } = ctx.response;
  if (status === 401 || (status === 409 && !late(ctx))) return; // the login page; a sentence on the page itself
  const words = raw.headers.get("content-type")?.startsWith("text/plain") ? ctx.text : refusal(ctx);
  fail(ctx, words ?? "That did not work. Nothing you typed is lost: try again in a moment.");
});
document.addEventListener("htmx:error", (event) => {
  const { ctx } = event.detail;
  if (acted(ctx)) fail(ctx, "The server cannot be reached. Nothing you typed is lost: try again in a moment.");
  else warn(LOST);
});
// The button that was pressed lost the focus while it was disabled, or is not there any more: who works by keyboard goes on from
// it, or from the conversation's title.
document.addEventListener("htmx:finally:request", (event) => queueMicrotask(() => {
  const { ctx } = event.detail;
  if (!acted(ctx) || late(ctx) || document.activeElement !== document.body) return;
  const { from } = ctx.about;
  const there = from.isConnected && from.matches("button:enabled") && !from.closest("[data-shut]");
  (there ? from : find("conversation-title"))?.focus();
}));
addEventListener("resize", () => { if (atEnd) bottom(); });

shown = opened();
last = [...document.querySelectorAll(".message")].pop()?.id;
retitle();
bottom();
follow();
