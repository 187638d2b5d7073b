// Refreshes pages by fetching them again and swapping what is marked data-live. Pages work without it.
"use strict";

const root = document.documentElement;
const memory = {
  get(key) { try { return localStorage.getItem(`jobs-${key}`); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`jobs-${key}`, value); } catch { /* private window */ } },
};
if (memory.get("theme")) root.dataset.theme = memory.get("theme");

// Pages are made in the zone of this cookie: the browser's, or UTC where that was asked for.
function keepZone() {
  const zone = memory.get("zone") || Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `jobs_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}
keepZone();

const LONGEST_PAUSE = 60;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

let panel, timer, tag = "", lateTag = "", failures = 0, freshSince = new Date(), loading = false, ended = false;

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

// A log is asked for what came after its last line; other pages for all of themselves.
const place = () => find("[data-follow]")?.dataset.follow ?? location.href;

// One answer that never comes must not keep the next from being asked for.
const ask = (address, known) => fetch(address, {
  headers: { "X-Jobs-Live": "1", ...(known && { "If-None-Match": known }) },
  redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(LONGEST_PAUSE * 1000),
});

async function refresh() {
  if (loading) return;
  const reason = pausedBecause();
  if (document.hidden || reason) {
    if (reason) show("off", reason);
    return schedule();
  }
  loading = true;
  try {
    await load(place());
    failures = 0;
  } catch {
    failures += 1;
    show("stale", `${panel.dataset.stale} ${freshSince.toLocaleTimeString()}`);
  }
  loading = false;
  schedule();
}

async function load(address) {
  const response = await ask(address, tag);
  if (response.type === "opaqueredirect" || response.status === 403) {
    ended = true;
    return show("stale", panel.dataset.out);
  }
  let whole = true;
  if (response.status !== 304) {
    if (!response.ok) throw new Error(response.status);
    const text = await response.text();
    // Something may have been selected, or another page asked for, while this one was loading.
    if (ended || pausedBecause() || address !== place()) return;
    whole = swap(new DOMParser().parseFromString(text, "text/html"));
    tag = (whole && response.headers.get("ETag")) || "";
    loadLate();
  }
  freshSince = new Date();
  if (whole) show("on", panel.dataset.liveText);
  else show("off", panel.dataset.typing);
}

// What takes the server longer, such as counts, comes after the rest and from an address of its own.
async function loadLate() {
  const address = find("[data-late]")?.dataset.late;
  if (!address) return;
  try {
    const response = await ask(address, lateTag);
    if (response.status !== 200 || ended) return;
    lateTag = response.headers.get("ETag") ?? "";
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const region of all("[data-late]")) {
      const next = find(`[data-live="${region.dataset.live}"]`, page);
      if (next && region.innerHTML !== next.innerHTML) replace(region, next);
    }
  } catch { /* The next refresh tries again. */ }
}

// What somebody fills in is lost with the form it stands in.
function isFilledIn(region) {
  const active = document.activeElement;
  return find("details.ask[open]", region) || (region.contains(active) && active.closest("form"));
}

// Returns whether the whole page was taken; what was held back is asked for again.
function swap(page) {
  let whole = true;
  for (const region of all("[data-live]")) {
    const next = find(`[data-live="${region.dataset.live}"]`, page);
    if (!next || "old" in region.dataset || "late" in region.dataset) continue;
    if (isFilledIn(region)) {
      whole = false;
      continue;
    }
    if ("append" in region.dataset) append(region, next);
    else if (region.innerHTML !== next.innerHTML) replace(region, next);
    for (const name of ["data-settled", "data-follow"]) {
      if (next.hasAttribute(name)) region.setAttribute(name, next.getAttribute(name));
      else region.removeAttribute(name);
    }
  }
  return whole;
}

function replace(region, next) {
  const open = new Map(all("details[id]", region).map((one) => [one.id, one.open]));
  for (const one of all("details[id]", next)) if (open.has(one.id)) one.open = open.get(one.id);
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const address = focused?.getAttribute("formaction") ?? focused?.getAttribute("href");
  const rows = find("[data-rows]", region);
  if (rows) merge(rows, find("[data-rows]", next));
  else region.replaceChildren(...next.childNodes);
  if (address && !focused.isConnected) {
    const same = all("[formaction], [href]", region);
    same.find((one) => [one.getAttribute("formaction"), one.getAttribute("href")].includes(address))?.focus();
  }
  reveal(region);
}

function tick() {
  const now = Date.now() / 1000;
  for (const one of all("[data-since]")) {
    const seconds = Math.max(0, Math.floor(now - one.dataset.since));
    if (seconds >= 10 && seconds < 60) one.textContent = one.textContent.replace(/^[\d.,]+ m?s/, `${seconds} s`);
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

function startZone() {
  const button = find("#zone");
  button.textContent = memory.get("zone") ? button.dataset.own : button.dataset.utc;
  button.hidden = false;
  button.addEventListener("click", () => {
    memory.set("zone", memory.get("zone") ? "" : "UTC");
    keepZone();
    location.reload();
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
  if (find("#zone")) startZone();
  startRefresh();
  loadLate();
  reveal(document);
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
