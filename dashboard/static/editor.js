// Writing an article: what is typed is kept in this browser until it is saved, and nobody leaves it by mistake.
const banner = document.getElementById("banner");
const form = document.getElementById("article");
const FIELDS = ["title", "topic", "phrases", "body"];
const base = () => document.getElementById("base")?.value ?? "0";

function warn(words) {
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = !words;
}

const read = () => Object.fromEntries(FIELDS.map((field) => [field, form.elements[field].value]));
const same = (one, other) => FIELDS.every((field) => one[field].trim() === other[field].trim());
const name = () => `firstline.article.${form.dataset.article}`;
const idle = () => {
  for (const button of document.querySelectorAll("[data-busy]")) delete button.dataset.busy;
  document.getElementById("working")?.setAttribute("hidden", "");
};
const forget = () => { try { localStorage.removeItem(name()); } catch { /* nothing was kept */ } };

let saved; // what the server has, as far as this page knows
let sent; // what is on its way there

function keep() {
  try {
    if (same(read(), saved)) forget();
    else localStorage.setItem(name(), JSON.stringify({ ...read(), base: base() }));
  } catch { /* a browser that stores nothing: the page keeps it */ }
}

function offer() {
  let kept;
  try { kept = JSON.parse(localStorage.getItem(name())); } catch { return; }
  if (!kept || !FIELDS.every((field) => typeof kept[field] === "string")) return;
  if (same(kept, saved)) { forget(); return; }
  const box = document.getElementById("kept");
  box.hidden = false;
  document.getElementById("put-back").addEventListener("click", () => {
    for (const field of FIELDS) form.elements[field].value = kept[field];
    // They were written over that version: a newer one is then told of before it is written over.
    document.getElementById("base").value = kept.base;
    box.hidden = true;
    keep();
    form.elements.body.dispatchEvent(new Event("input", { bubbles: true }));
    form.elements.body.focus();
  });
  document.getElementById("forget").addEventListener("click", () => { forget(); box.hidden = true; });
}

document.getElementById("ask")?.addEventListener("submit", (event) => {
  if (event.submitter) event.submitter.dataset.busy = "";
});

if (form) {
  saved = read();
  // Words that come back with a refusal are not saved.
  if (document.querySelector("#sentence, .clash")) saved = Object.fromEntries(FIELDS.map((field) => [field, ""]));
  offer();
  form.addEventListener("input", keep);
  form.addEventListener("submit", (event) => {
    sent = read();
    if (event.submitter) event.submitter.dataset.busy = "";
    const publishing = event.submitter?.id === "publish";
    document.getElementById("working")?.toggleAttribute("hidden", !publishing);
    if (publishing) document.getElementById("said")?.remove();
  });
  addEventListener("beforeunload", (event) => { if (!same(read(), saved)) event.preventDefault(); });
  document.addEventListener("click", (event) => { if (event.target.closest("#take-theirs")) { forget(); saved = read(); } });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    event.preventDefault();
    const save = document.getElementById("save");
    if (save && !save.disabled) form.requestSubmit(save);
  });
  // Before the answer is acted on, which may lead to another page.
  document.addEventListener("htmx:before:response", (event) => {
    const { request, response } = event.detail.ctx;
    if (request.method !== "POST" || event.detail.ctx.sourceElement !== form) return;
    const status = response?.status ?? 0;
    if (status === 200) { saved = sent; keep(); }
    else if (status === 409) return;
    else if (status === 401) saved = read(); // kept in this browser, and offered after the login
  });
}

document.addEventListener("htmx:after:request", (event) => {
  if (event.detail.ctx.sourceElement?.id !== "preview") idle(); // which goes on while something is published
  if (event.detail.ctx.response?.status < 400) warn("");
});
document.addEventListener("htmx:response:error", (event) => {
  const { status, raw } = event.detail.ctx.response;
  if (status === 401 || status === 409) return; // the login page; a sentence on the page itself
  const plain = raw.headers.get("content-type")?.startsWith("text/plain");
  warn(plain ? event.detail.ctx.text : "That did not work. Nothing you typed is lost: try again in a moment.");
});
document.addEventListener("htmx:error", () => {
  idle();
  warn("The server cannot be reached. Nothing you typed is lost: try again in a moment.");
});
