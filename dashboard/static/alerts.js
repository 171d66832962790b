// When a person is called for: a short sound and a notification, each only if this browser's user asked for it.
const sound = document.getElementById("sound");
const notify = document.getElementById("notify");
const read = (name) => { try { return localStorage.getItem(`firstline.${name}`); } catch { return null; } };
const write = (name, value) => { try { localStorage.setItem(`firstline.${name}`, value); } catch { /* not kept */ } };
let audio;

function tone() {
  if (!audio) return;
  const start = audio.currentTime;
  for (const [at, pitch] of [[0, 660], [0.16, 880]]) {
    const voice = audio.createOscillator();
    const loudness = audio.createGain();
    voice.frequency.value = pitch;
    loudness.gain.setValueAtTime(0, start + at);
    loudness.gain.linearRampToValueAtTime(0.12, start + at + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + at + 0.3);
    voice.connect(loudness).connect(audio.destination);
    voice.start(start + at);
    voice.stop(start + at + 0.32);
  }
}

// Browsers let a page sound only after a gesture: a remembered choice takes effect at the first one.
function wake() {
  if (read("sound") !== "on") return;
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume();
}
addEventListener("pointerdown", wake);
addEventListener("keydown", wake);

function drawSound() {
  sound.setAttribute("aria-pressed", String(read("sound") === "on"));
}
sound.addEventListener("click", () => {
  const on = read("sound") !== "on";
  write("sound", on ? "on" : "off");
  drawSound();
  if (on) { wake(); tone(); }
});

const able = "Notification" in window;
function drawNotify() {
  const on = able && Notification.permission === "granted" && read("notify") === "on";
  notify.setAttribute("aria-pressed", String(on));
  if (able && Notification.permission === "denied") {
    notify.title = "This browser refuses notifications from this site: allow them in its settings";
    notify.disabled = true;
  }
  notify.hidden = !able;
}
notify.addEventListener("click", async () => {
  const on = notify.getAttribute("aria-pressed") === "true";
  if (!on && Notification.permission === "default") await Notification.requestPermission();
  write("notify", on ? "off" : "on");
  drawNotify();
});

// The newest call that was announced, over all tabs of this browser: one sound, not one a tab.
function look() {
  const state = document.getElementById("queue-state");
  if (!state) return;
  const calls = JSON.parse(state.dataset.calls);
  const known = read("called");
  const fresh = calls.filter(([call]) => known !== null && call > Number(known));
  if (calls.length || known === null) write("called", Math.max(Number(known ?? 0), ...calls.map(([call]) => call)));
  if (!fresh.length) return;
  if (read("sound") === "on") tone();
  document.getElementById("announce").textContent = `A person is called for: ${fresh[0][2]}`;
  if (read("notify") === "on" && able && Notification.permission === "granted" && !document.hasFocus()) {
    for (const [call, conversation, who] of fresh.slice(0, 3)) {
      const shown = new Notification("A person is called for", { body: who, tag: `firstline-${call}` });
      shown.onclick = () => { window.focus(); location.href = `/desk/conversations/${conversation}`; };
    }
  }
}
document.addEventListener("htmx:after:swap", look);
drawSound();
drawNotify();
look();
