// The reply: kept in this browser until it is sent, sent once however often Send is pressed.
const draftOf = (conversation) => `firstline.draft.${conversation}`;
const name = (form) => draftOf(form.dataset.conversation);
const kept = (form) => { try { return JSON.parse(localStorage.getItem(name(form))); } catch { return null; } };
const composer = () => document.querySelector(".composer");

// crypto.randomUUID is not there on plain http away from this machine.
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

function keep(form) {
  const text = form.elements.text.value;
  try {
    if (!text.trim()) localStorage.removeItem(name(form));
    // These very words have one key: sent again after a lost answer, they are still one message.
    else localStorage.setItem(name(form), JSON.stringify({ text, key: newKey() }));
  } catch { /* a browser that stores nothing: the page keeps it */ }
}

function measure(form) {
  const most = Number(form.dataset.most);
  const length = form.elements.text.value.length;
  const counter = form.querySelector(".length");
  counter.textContent = length > most * 0.8 ? `${length.toLocaleString()} of ${most.toLocaleString()} characters` : "";
  counter.classList.toggle("over", length > most);
}

function restore() {
  const form = composer();
  if (!form) return;
  const draft = kept(form);
  if (draft && !form.elements.text.value) form.elements.text.value = draft.text;
  measure(form);
}

document.addEventListener("input", (event) => {
  const form = event.target.closest?.(".composer");
  if (form) { keep(form); measure(form); }
});
document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.(".composer");
  if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("submit", (event) => {
  // A key press must not send what the button would not.
  if (event.target.matches?.(".composer") && event.target.querySelector("button").disabled) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);
let pressed; // the words that were sent last
document.addEventListener("htmx:config:request", (event) => {
  const form = event.target.closest?.(".composer");
  if (!form) return;
  pressed = form.elements.text.value;
  const key = kept(form)?.key;
  if (key) event.detail.ctx.request.body.set("key", key);
});
document.addEventListener("desk:sent", (event) => {
  const sent = String(event.detail.conversation);
  const form = composer();
  const open = form?.dataset.conversation === sent; // or another one is by now
  if (open && form.elements.text.value !== pressed) return; // the next reply is begun already
  try { localStorage.removeItem(draftOf(sent)); } catch { /* nothing was kept */ }
  if (!open) return;
  form.elements.text.value = "";
  measure(form);
  form.elements.text.focus();
});
document.addEventListener("htmx:after:swap", restore);
// After a request htmx enables the button that it disabled, also where the answer says that nothing can be sent now.
document.addEventListener("htmx:finally:request", () => queueMicrotask(() => {
  const form = composer();
  if (form && "shut" in form.dataset) form.querySelector("button").disabled = true;
}));
restore();
