// The list of jobs: rows that keep their place, and ticking one by one, a range with shift, or the page.
"use strict";

// A row that moves as it is clicked or tapped is taken for another, so a refresh moves none: known rows change
// where they are, those that left are dimmed, and new ones are announced until they are asked for.
function merge(rows, nextRows) {
  const incoming = new Map([...(nextRows?.children ?? [])].map((row) => [row.id, row]));
  for (const row of rows.children) {
    const next = incoming.get(row.id);
    row.classList.toggle("gone", !next);
    if (next) update(row, next);
    incoming.delete(row.id);
  }
  const link = find("#fresh a");
  link.hidden = !incoming.size;
  if (incoming.size) link.textContent = `${incoming.size} ${link.dataset.text}`;
}

// Its height is kept: shorter contents leave room, and a note that needs more is left to the next page.
function update(row, next) {
  const height = row.getBoundingClientRect().height;
  const [cells, fresh] = [[...row.children], [...next.children]];
  if (cells.length !== fresh.length) return row.replaceChildren(...fresh);
  const changed = cells.filter((cell, n) => cell.outerHTML !== fresh[n].outerHTML);
  if (!changed.length) return;
  for (const cell of changed) cell.replaceWith(fresh[cells.indexOf(cell)]);
  row.style.setProperty("--kept", `${height}px`);
  row.classList.remove("tight");
  row.classList.toggle("tight", row.getBoundingClientRect().height > height + 0.5);
}

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
