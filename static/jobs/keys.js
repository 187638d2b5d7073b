// Keyboard shortcuts. They can be switched off in their own help, which `?` and a button open.
"use strict";

const BETWEEN = 1500;
const TYPING = "input:not([type='checkbox']), textarea, select, [contenteditable]";
let leading = 0;

const isOn = () => memory.get("keys") !== "off";
const currentRow = () => document.activeElement?.closest("tbody tr");

function move(step) {
  const rows = all("[data-rows] tr, .records tbody tr");
  if (!rows.length) return;
  const place = rows.indexOf(currentRow());
  const next = place < 0 ? 0 : Math.min(Math.max(place + step, 0), rows.length - 1);
  find("a", rows[next])?.focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

// Only in a row: on the page of one job, a stray letter would end it.
function press(verb) {
  find(`[formaction$="/${verb}/"]`, currentRow() ?? document.createElement("i"))?.click();
}

function toggleRefresh() {
  const select = find("#interval");
  if (!select || find("#refresh").hidden) return;
  const usual = document.body.dataset.interval;
  select.value = select.value !== "0" ? "0" : usual !== "0" ? usual : "5";
  select.dispatchEvent(new Event("change"));
}

const keys = {
  "/": () => find("#search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => find("[name='id']", currentRow() ?? document.createElement("i"))?.click(),
  r: () => press("retry"),
  c: () => press("cancel"),
  ".": toggleRefresh,
  "?": () => find("#keys")?.showModal(),
  g: () => { leading = Date.now(); },
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!isOn() || event.target.matches(TYPING) || find("dialog[open]")) return;
  const place = Date.now() - leading < BETWEEN && find(`.top [data-key="${CSS.escape(event.key)}"]`);
  const act = place ? () => place.click() : Object.hasOwn(keys, event.key) && keys[event.key];
  leading = 0;
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("DOMContentLoaded", () => {
  find(".top nav [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  const [dialog, help, on] = [find("#keys"), find("#help"), find("#keys-on")];
  if (!dialog) return;
  help.hidden = false;
  help.addEventListener("click", () => dialog.showModal());
  on.checked = isOn();
  on.addEventListener("change", () => memory.set("keys", on.checked ? "on" : "off"));
});
