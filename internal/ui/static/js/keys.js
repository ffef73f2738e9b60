// Shortcuts of single keys; /help#keyboard lists them and can switch them off.
const root = document.documentElement;
let last = "";

const typing = (target) => target.closest("input, select, textarea, [contenteditable], dialog");
const rows = () => [...document.querySelectorAll("[data-rows] tbody tr, ol[data-rows] > li")];

const move = (step) => {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const row = all[Math.min(all.length - 1, Math.max(0, at + step))];
  row.querySelector("a[href]")?.focus();
};

document.addEventListener("keydown", (event) => {
  if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) return;
  const key = last === "g" ? "g " + event.key : event.key;
  last = event.key;
  const actions = {
    "/": () => document.querySelector("[data-find]")?.focus(),
    "g d": () => location.assign("/dashboard"),
    "g s": () => location.assign(document.querySelector(".bar a[title=Settings]")?.href || "/settings/profile"),
    c: () => [...document.querySelectorAll("[data-copy]")].find((b) => b.offsetParent)?.click(),
    j: () => move(1),
    k: () => move(-1),
    "?": () => location.assign("/help#keyboard"),
  };
  if (!actions[key]) return;
  event.preventDefault();
  actions[key]();
});
