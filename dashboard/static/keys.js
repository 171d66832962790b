// The desk by keyboard. Nothing is out of reach of Tab; these are only shorter ways.
const rows = () => [...document.querySelectorAll(".row")].filter((row) => row.checkVisibility());
const dialog = document.getElementById("keys");

function move(step) {
  const all = rows();
  if (!all.length) return;
  const focused = all.indexOf(document.activeElement);
  const from = focused >= 0 ? focused : all.findIndex((row) => row.getAttribute("aria-current"));
  all[Math.max(0, Math.min(all.length - 1, from + step))].focus();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: (event) => (event.target.closest(".queue") ? move(1) : false),
  ArrowUp: (event) => (event.target.closest(".queue") ? move(-1) : false),
  t: () => document.querySelector("#do-take-over button")?.click(),
  r: () => document.querySelector(".composer textarea")?.focus(),
  "?": () => dialog.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("textarea")) {
    const current = document.querySelector(".row[aria-current]");
    if (current?.checkVisibility()) current.focus();
    else event.target.blur();
    return;
  }
  const typing = event.target.matches?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialog.open) return;
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (act && act(event) !== false) event.preventDefault();
});
document.getElementById("show-keys").addEventListener("click", () => dialog.showModal());
