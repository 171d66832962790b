// New mail appears by itself; what one is writing stays as it is.
const WAIT = 1500;
const list = document.getElementById("list");
let version = list.dataset.version;

function fit(frame) {
  const show = () => {
    const page = frame.contentDocument;
    if (!page || !page.body) return;
    frame.style.height = "0"; // else it is never lower than it was
    frame.style.height = `${page.documentElement.scrollHeight + 4}px`;
  };
  frame.addEventListener("load", show);
  show();
}

function fitAll() {
  document.querySelectorAll(".mail iframe").forEach(fit);
}

async function look() {
  const gone = document.getElementById("gone");
  try {
    const now = String(await (await fetch("/mailbox/version", { cache: "no-store" })).json());
    gone.hidden = true;
    if (now === version) return;
    const here = location.pathname + location.search;
    const page = new DOMParser().parseFromString(await (await fetch(here, { cache: "no-store" })).text(), "text/html");
    const opened = new Set([...document.querySelectorAll(".mail details[open]")].map((each) => place(each)));
    for (const id of ["list", "mails"]) {
      const fresh = page.getElementById(id), old = document.getElementById(id);
      if (fresh && old) old.replaceChildren(...fresh.childNodes);
    }
    document.querySelectorAll(".mail details").forEach((each) => { each.open = opened.has(place(each)); });
    const answers = page.querySelector("[name=answers]"), mine = document.querySelector("[name=answers]");
    if (answers && mine) mine.value = answers.value;
    fitAll();
    version = now;
  } catch {
    gone.hidden = false;
  }
}

function place(details) {
  return `${details.closest(".mail").id} ${details.querySelector("summary").textContent}`;
}

fitAll();
addEventListener("resize", fitAll);
(function again() { setTimeout(() => look().finally(again), WAIT); })();
