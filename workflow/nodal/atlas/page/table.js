// A table that sorts by its headings and draws only the rows in view when there are many.

import { h } from "./dom.js";
import { saveButtons } from "./save.js";

const MANY = 400; // rows; beyond it only those in view are in the page
const ROW = 30; // pixels
const AROUND = 12; // rows beyond the view

/**
 * columns: [{key, title, numeric, value(row), cell(row), hint}]; cell may return elements.
 * rows: any objects. name: for the saved file and for screen readers.
 * Returns {element, show(predicate)}.
 */
export function dataTable({ name, columns, rows, sort = null }) {
  const state = { order: sort, shown: rows };
  const body = h("tbody", {});
  const head = h(
    "tr",
    {},
    columns.map((column) => heading(column, state, () => draw())),
  );
  const count = h("span", { class: "count", role: "status" });
  const table = h(
    "table",
    { "aria-rowcount": rows.length + 1 },
    h("caption", { class: "unseen" }, name),
    h("thead", {}, head),
    body,
  );
  const frame = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
    table,
  );
  const saved = () => [
    columns.map((c) => c.title),
    ...state.shown.map((row) => columns.map((c) => c.value(row))),
  ];
  const draw = () => {
    state.shown = sorted(rows.filter(state.keep ?? (() => true)), columns, state.order);
    count.textContent =
      state.shown.length === rows.length
        ? `${rows.length} rows`
        : `${state.shown.length} of ${rows.length} rows`;
    [...head.children].forEach((th, i) => {
      const own = state.order?.key === columns[i].key;
      th.setAttribute("aria-sort", own ? (state.order.down ? "descending" : "ascending") : "none");
    });
    frame.scrollTop = 0;
    drawRows(frame, body, columns, state.shown);
  };
  frame.addEventListener("scroll", () => drawRows(frame, body, columns, state.shown), {
    passive: true,
  });
  draw();
  const element = h(
    "div",
    { class: "table" },
    h("div", { class: "table-head" }, count, saveButtons({ name, rows: saved })),
    frame,
  );
  return {
    element,
    show: (keep) => {
      state.keep = keep;
      draw();
    },
  };
}

function heading(column, state, draw) {
  const sortBy = () => {
    const same = state.order?.key === column.key;
    state.order = { key: column.key, down: same ? !state.order.down : Boolean(column.numeric) };
    draw();
  };
  return h(
    "th",
    { scope: "col", class: column.numeric && "numeric", title: column.hint },
    h("button", { type: "button", onclick: sortBy }, column.title),
  );
}

function sorted(rows, columns, order) {
  if (!order) return rows;
  const { value, numeric } = columns.find((c) => c.key === order.key);
  const turn = order.down ? -1 : 1;
  const missing = (x) => x === null || x === undefined || Number.isNaN(x);
  const compare = (a, b) => {
    const [p, q] = [value(a), value(b)];
    if (missing(p) || missing(q)) return missing(p) - missing(q);
    return turn * (numeric ? p - q : String(p).localeCompare(String(q), "en", { numeric: true }));
  };
  return rows
    .map((row, i) => [row, i])
    .sort(([a, i], [b, j]) => compare(a, b) || i - j)
    .map(([row]) => row);
}

/** A function that gives the focus back to where it is, once the rows are drawn anew. */
function focused(body) {
  const row = document.activeElement?.closest?.("tr");
  if (!row || !body.contains(row)) return () => {};
  const links = (within) => [...within.querySelectorAll("a, button")];
  const [place, at] = [row.ariaRowIndex, links(row).indexOf(document.activeElement)];
  return () => {
    const again = body.querySelector(`tr[aria-rowindex="${place}"]`);
    if (again) links(again)[at]?.focus({ preventScroll: true });
  };
}

function drawRows(frame, body, columns, rows) {
  const all = rows.length <= MANY;
  const first = all ? 0 : Math.max(0, Math.floor(frame.scrollTop / ROW) - AROUND);
  const visible = Math.ceil((frame.clientHeight || 600) / ROW);
  const last = all ? rows.length : Math.min(rows.length, first + visible + 2 * AROUND);
  if (!all && body.dataset.span === `${first}-${last}-${rows.length}` && frame.scrollTop) return;
  body.dataset.span = `${first}-${last}-${rows.length}`;
  const space = (n) =>
    n > 0 &&
    h(
      "tr",
      { "aria-hidden": "true" },
      h("td", { colspan: columns.length, class: "space", style: { height: `${n * ROW}px` } }),
    );
  const drawn = rows.slice(first, last).map((row, i) =>
    h(
      "tr",
      { "aria-rowindex": first + i + 2 },
      columns.map((column) =>
        h(
          "td",
          { class: column.numeric && "numeric" },
          column.cell ? column.cell(row) : column.value(row),
        ),
      ),
    ),
  );
  const refocus = focused(body);
  body.replaceChildren(...[space(first), ...drawn, space(rows.length - last)].filter(Boolean));
  refocus();
}
