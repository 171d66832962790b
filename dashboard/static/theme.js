// Light, dark, or as the system is; before anything is drawn, so that nothing flashes. And which time zone to write times in.
(() => {
  const root = document.documentElement;
  const words = { light: "Light", dark: "Dark", system: "System" };
  const apply = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.dataset.theme = theme;
  };
  const read = () => {
    try { return localStorage.getItem("firstline.theme") || "system"; } catch { return "system"; }
  };
  apply(read());
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = `firstline-tz=${zone}; path=/desk; max-age=31536000; samesite=lax`;
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const say = () => { document.getElementById("theme-word").textContent = words[read()]; };
    say();
    button.addEventListener("click", () => {
      const order = ["system", "light", "dark"];
      const next = order[(order.indexOf(read()) + 1) % order.length];
      try { localStorage.setItem("firstline.theme", next); } catch { /* a browser that stores nothing: this page only */ }
      apply(next);
      say();
    });
  });
})();
