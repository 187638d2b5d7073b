// One log: lines that follow, links to lines that are not loaded, earlier lines in place, wrapping. The page works
// without it.
"use strict";

const LINES = 5000;

// Takes what has come since the cursor of the log, which names its last line and whether that goes on.
function append(log, next) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  const cursor = new URLSearchParams(log.dataset.follow);
  const first = Number(cursor.get("row")) + (cursor.get("open") ? 0 : 1);
  for (const row of [...next.children]) {
    if (row.id && Number(row.id.slice(1)) < first) continue;
    const old = row.id && document.getElementById(row.id);
    if (!old) log.append(row);
    else if ("over" in row.dataset) old.replaceWith(row);
    else find("code", old).append(...find("code", row).childNodes);
  }
  if (log.children.length > LINES) dropFirst(log);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// What goes from the top is among the earlier lines from then on. Marks between lines come with those after them.
function dropFirst(log) {
  while (log.children.length > LINES) log.firstElementChild.remove();
  const first = find("li[id]", log);
  const link = find("[data-earlier]");
  if (!first || !link) return;
  while (log.firstElementChild !== first) log.firstElementChild.remove();
  const address = new URL(link.href);
  address.searchParams.set("before", first.id.slice(1));
  link.href = address;
  link.parentElement.hidden = false;
}

{
  const log = document.getElementById("log");
  const line = () => /^#L(\d+)$/.exec(location.hash)?.[1];

  // The place after the # never reaches the server: a line that is not on this page needs another one.
  const goToLine = () => {
    const wanted = line();
    if (!wanted) return;
    const row = document.getElementById(`L${wanted}`);
    if (row) row.scrollIntoView({ block: "center" });
    else if (new URLSearchParams(location.search).get("line") !== wanted) location.replace(`?line=${wanted}#L${wanted}`);
  };

  const stopFollowing = () => {
    log.removeAttribute("data-append");
    log.removeAttribute("data-follow");
    log.dataset.old = "";
  };

  const prepend = async (link) => {
    if (link.hasAttribute("aria-busy")) return;
    const address = link.href;
    link.setAttribute("aria-busy", "true");
    const response = await fetch(address, { cache: "no-store" }).catch(() => null);
    if (!response?.ok) return location.assign(address);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    link.removeAttribute("aria-busy");
    // The first lines may have gone meanwhile, and those that came do not reach up to the rest.
    if (link.href !== address) return prepend(link);
    const before = log.scrollHeight;
    log.prepend(...(page.getElementById("log")?.children ?? []));
    log.scrollTop += log.scrollHeight - before;
    const next = page.querySelector("p:not([hidden]) > [data-earlier]");
    if (next) link.href = next.getAttribute("href");
    link.parentElement.hidden = !next;
    if (log.children.length > LINES) {
      stopFollowing();
      while (log.children.length > LINES) log.lastElementChild.remove();
    }
  };

  const wrap = document.getElementById("wrap");
  const setWrap = (on) => {
    log.classList.toggle("nowrap", !on);
    wrap.setAttribute("aria-pressed", String(on));
  };
  const remembered = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("jobs-wrap") !== "off";
      localStorage.setItem("jobs-wrap", value ? "on" : "off");
    } catch { /* private window */ }
    return true;
  };
  wrap.hidden = false;
  setWrap(remembered());
  wrap.addEventListener("click", () => {
    const on = wrap.getAttribute("aria-pressed") !== "true";
    setWrap(on);
    remembered(on);
  });

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const earlier = event.target.closest("[data-earlier]");
    if (earlier) {
      event.preventDefault();
      prepend(earlier);
    }
    const number = event.target.closest("#log li > a");
    if (number?.parentElement.id) {
      event.preventDefault();
      const top = log.scrollTop;
      location.hash = number.hash;
      log.scrollTop = top;
    }
  });
  addEventListener("hashchange", goToLine);
  goToLine();
}
