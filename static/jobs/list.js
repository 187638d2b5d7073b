// Ticking jobs in the list: one by one, a range with shift, or the page.
"use strict";

const TICKS = "[name='id'][form='bulk']";
let lastTick = null;

function tellTicks() {
  const form = find("#bulk");
  const everything = find("[name='all']", form);
  if (!everything) return;
  const ticks = all(TICKS);
  const ticked = ticks.filter((one) => one.checked).length;
  const page = find("#pick-page input");
  page.checked = ticked > 0 && ticked === ticks.length;
  page.indeterminate = ticked > 0 && ticked < ticks.length;
  find("#pick-page").hidden = false;
  find("#picked").textContent = ticked && !everything.checked ? `${ticked} ${form.dataset.selected}` : "";
  for (const button of all("button", form)) button.disabled = !ticked && !everything.checked;
}

document.addEventListener("click", (event) => {
  const tick = event.target.closest(TICKS);
  if (!tick) return;
  const ticks = all(TICKS);
  const [from, to] = [ticks.indexOf(lastTick), ticks.indexOf(tick)];
  if (event.shiftKey && from >= 0) {
    for (const one of ticks.slice(Math.min(from, to), Math.max(from, to) + 1)) one.checked = tick.checked;
  }
  lastTick = tick;
});

document.addEventListener("change", (event) => {
  if (event.target.closest("#pick-page")) {
    for (const one of all(TICKS)) one.checked = event.target.checked;
  }
  if (event.target.closest(`#bulk, ${TICKS}`)) tellTicks();
});

if (find("#bulk")) addEventListener("pageshow", tellTicks);
