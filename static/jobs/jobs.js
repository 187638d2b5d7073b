// Refreshes pages by fetching them again and swapping what is marked data-live. Pages work without it.
"use strict";

const root = document.documentElement;
const memory = {
  get(key) { try { return localStorage.getItem(`jobs-${key}`); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`jobs-${key}`, value); } catch { /* private window */ } },
};
if (memory.get("theme")) root.dataset.theme = memory.get("theme");

const LOG_LINES = 5000;
const LONGEST_PAUSE = 60;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

let panel, timer, tag = "", lateTag = "", failures = 0, freshSince = new Date(), ended = false;

function interval() {
  const chosen = memory.get("interval");
  return Number(chosen ?? document.body.dataset.interval) || 0;
}

function show(state, text) {
  panel.classList.toggle("on", state === "on");
  panel.classList.toggle("stale", state === "stale");
  const output = find("output", panel);
  if (output.textContent !== text) output.textContent = text;
}

function pausedBecause() {
  const active = document.activeElement;
  if (find("dialog[open]")) return panel.dataset.dialog;
  if (find("[form='bulk']:checked, #bulk [name='all']:checked")) return panel.dataset.ticked;
  if (active?.matches("input:not([type='checkbox']), textarea, select:not(#interval)")) return panel.dataset.typing;
  if (!(getSelection()?.isCollapsed ?? true)) return panel.dataset.selecting;
  return "";
}

function schedule() {
  clearTimeout(timer);
  if (ended) return;
  if (find("[data-settled]")) return show("off", panel.dataset.done);
  if (!interval()) return show("off", panel.dataset.off);
  const pause = Math.min(interval() * 2 ** failures, LONGEST_PAUSE);
  timer = setTimeout(refresh, pause * 1000 * (failures ? 0.75 + Math.random() / 2 : 1));
}

async function refresh() {
  const reason = pausedBecause();
  if (document.hidden || reason) {
    if (reason) show("off", reason);
    return schedule();
  }
  const address = find("[data-follow]")?.dataset.follow ?? location.href;
  try {
    const headers = { "X-Jobs-Live": "1", ...(tag && { "If-None-Match": tag }) };
    const response = await fetch(address, { headers, redirect: "manual", cache: "no-store" });
    if (response.type === "opaqueredirect" || response.status === 403) {
      ended = true;
      return show("stale", panel.dataset.out);
    }
    if (response.status !== 304) {
      if (!response.ok) throw new Error(response.status);
      const text = await response.text();
      // Something may have been selected, or another page asked for, while this one was loading.
      if (ended || pausedBecause()) return schedule();
      tag = response.headers.get("ETag") ?? "";
      swap(new DOMParser().parseFromString(text, "text/html"));
    }
    failures = 0;
    freshSince = new Date();
    loadLate();
    show("on", panel.dataset.liveText);
  } catch {
    failures += 1;
    show("stale", `${panel.dataset.stale} ${freshSince.toLocaleTimeString()}`);
  }
  schedule();
}

// What takes the server longer, such as counts, comes after the rest and from an address of its own.
async function loadLate() {
  const address = find("[data-late]")?.dataset.late;
  if (!address) return;
  try {
    const headers = { "X-Jobs-Live": "1", ...(lateTag && { "If-None-Match": lateTag }) };
    const response = await fetch(address, { headers, redirect: "manual", cache: "no-store" });
    if (response.status !== 200 || ended) return;
    lateTag = response.headers.get("ETag") ?? "";
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const region of all("[data-late]")) {
      const next = find(`[data-live="${region.dataset.live}"]`, page);
      if (next && region.innerHTML !== next.innerHTML) replace(region, next);
    }
  } catch { /* The next refresh tries again. */ }
}

function swap(page) {
  for (const region of all("[data-live]")) {
    const next = find(`[data-live="${region.dataset.live}"]`, page);
    if (!next || "old" in region.dataset || "late" in region.dataset) continue;
    if ("append" in region.dataset) append(region, next);
    else if (region.innerHTML !== next.innerHTML) replace(region, next);
    for (const name of ["data-settled", "data-follow"]) {
      if (next.hasAttribute(name)) region.setAttribute(name, next.getAttribute(name));
      else region.removeAttribute(name);
    }
  }
}

function replace(region, next) {
  const open = new Map(all("details[id]", region).map((one) => [one.id, one.open]));
  for (const one of all("details[id]", next)) if (open.has(one.id)) one.open = open.get(one.id);
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const address = focused?.getAttribute("formaction") ?? focused?.getAttribute("href");
  const [rows, nextRows] = [find("[data-rows]", region), find("[data-rows]", next)];
  if (rows && nextRows) merge(rows, nextRows);
  else region.replaceChildren(...next.childNodes);
  if (address && !focused.isConnected) {
    const same = all("[formaction], [href]", region);
    same.find((one) => [one.getAttribute("formaction"), one.getAttribute("href")].includes(address))?.focus();
  }
  reveal(region);
}

// Rows under the pointer stay where they are: known ones change in place, new ones are announced.
function merge(rows, nextRows) {
  const known = new Map([...rows.children].map((row) => [row.id, row]));
  const incoming = [...nextRows.children];
  const fresh = incoming.filter((row) => !known.has(row.id));
  const keep = rows.matches(":hover, :focus-within") || scrollY > 200;
  const bar = find("#fresh");
  bar.hidden = !(keep && fresh.length);
  if (!bar.hidden) bar.firstElementChild.textContent = `${fresh.length} ${bar.firstElementChild.dataset.text}`;
  for (const row of incoming) {
    const old = known.get(row.id);
    if (old && old.outerHTML !== row.outerHTML && keep) old.replaceWith(row.cloneNode(true));
  }
  if (!keep) return rows.replaceChildren(...incoming.map((row) => {
    const old = known.get(row.id);
    return old?.outerHTML === row.outerHTML ? old : row;
  }));
  const present = new Set(incoming.map((row) => row.id));
  for (const [id, row] of known) if (!present.has(id)) row.classList.add("gone");
}

function append(log, next) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  for (const row of [...next.children]) {
    const old = row.id && document.getElementById(row.id);
    if (!old) log.append(row);
    else if ("over" in row.dataset) old.replaceWith(row);
    else find("code", old).append(...find("code", row).childNodes);
  }
  while (log.children.length > LOG_LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function tick() {
  const now = Date.now() / 1000;
  for (const one of all("[data-since]")) {
    const seconds = Math.max(0, Math.floor(now - one.dataset.since));
    if (seconds >= 10 && seconds < 60) one.textContent = one.textContent.replace(/^[\d.,]+/, seconds);
  }
}

function reveal(within) {
  for (const button of all("[data-copy]", within)) button.hidden = !navigator.clipboard;
}

function startTheme() {
  const button = find("#theme");
  const themes = ["", "light", "dark"];
  const label = () => {
    button.title = button.dataset[root.dataset.theme || "auto"];
    button.setAttribute("aria-label", button.title);
  };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme ?? "") + 1) % themes.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    memory.set("theme", next);
    label();
  });
}

function startRefresh() {
  panel = find("#refresh");
  if (!panel || !find("[data-live]")) return;
  const select = find("#interval");
  panel.hidden = false;
  select.value = String(interval());
  select.addEventListener("change", () => {
    memory.set("interval", select.value);
    failures = 0;
    select.blur();
    if (interval()) refresh();
    else schedule();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && interval() && !ended && !find("[data-settled]")) refresh();
  });
  document.addEventListener("submit", () => { ended = true; clearTimeout(timer); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  if (interval()) show("on", panel.dataset.liveText);
  schedule();
  setInterval(tick, 1000);
}

document.addEventListener("DOMContentLoaded", () => {
  if (find("#theme")) startTheme();
  startRefresh();
  loadLate();
  reveal(document);
  for (const form of all("form[data-submit]")) {
    find("button", form).hidden = !find("input:not([type='hidden'])", form);
    form.addEventListener("change", (event) => event.target.matches("select") && form.requestSubmit());
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.title = button.dataset.copied;
    button.classList.add("done");
  });
  const log = find(".log[data-append]");
  if (log && !location.hash) log.scrollTop = log.scrollHeight;
  find("#jump")?.addEventListener("click", (event) => {
    event.preventDefault();
    log.scrollTop = log.scrollHeight;
  });
});
