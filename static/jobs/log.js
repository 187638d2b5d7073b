// Moves within one log: links to lines that are not loaded, earlier lines in place, wrapping. The page works without it.
"use strict";

{
  const LINES = 5000;
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
    link.setAttribute("aria-busy", "true");
    const response = await fetch(link.href, { cache: "no-store" }).catch(() => null);
    if (!response?.ok) return location.assign(link.href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const before = log.scrollHeight;
    log.prepend(...(page.getElementById("log")?.children ?? []));
    log.scrollTop += log.scrollHeight - before;
    const next = page.querySelector("[data-earlier]");
    if (next) link.href = next.getAttribute("href");
    else link.parentElement.remove();
    link.removeAttribute("aria-busy");
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
