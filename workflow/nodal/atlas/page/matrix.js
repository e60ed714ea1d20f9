// A matrix as a picture: a pixel of a canvas for each entry, or for the largest of a few where there
// are more entries than the screen has pixels; axes and frames over it as SVG.

import { h, named, number, room, s, short } from "./dom.js";

const MANY = 26; // names on an axis; beyond it the pointer says them
const RIGHT = 6; // pixels to the right of the cells
const KEY = 56; // pixels of the bar that says what colours mean

/**
 * rows, columns: names along the sides. entry(i, j): the value of a cell. colour(value): [r, g, b].
 * frames: [{from, size}] squares on the diagonal. width: of all of it; height: of the cells, a square
 * where it is not given. says(i, j): words for a cell. open(i, j): what a click does.
 * index(i): the number of a row and column where names have no room, i itself if not given.
 * axes: {x, y} what the sides are. key: {low, high, colour(share of the way)} what colours mean.
 * Returns {element, svg, redraw({entry, frames, ...})}.
 */
export function matrixPlot(options) {
  const state = { frames: [], axes: {}, ...options };
  const canvas = h("canvas", {});
  const svg = s("svg", { role: "img", "aria-label": state.label });
  const says = h("output", { class: "says", "aria-live": "off" }, hint(state));
  const element = h("div", { class: "plot" }, h("div", { class: "layers" }, canvas, svg), says);
  const redraw = (changes = {}) => {
    Object.assign(state, changes);
    const layout = layOut(state);
    paint(canvas, state, layout);
    decorate(svg, state, layout);
  };
  listen(svg, says, state);
  redraw();
  return { element, svg, redraw };
}

const hint = ({ says, open }) =>
  says &&
  h("span", { class: "hint" }, `Point at a cell to read it${open ? "; a click opens it" : ""}.`);

function layOut({ rows, columns, width, height, axes, key }) {
  const names = (list) => (list.length <= MANY ? list.map((name) => short(name, 12)) : null);
  const left = names(rows);
  const below = names(columns);
  const longest = (list) => (list ? Math.max(...list.map((name) => Array.from(name).length)) : 3);
  const x = 9 + 6.4 * longest(left) + (axes.y ? 15 : 0);
  const wide = room(width) - x - RIGHT;
  const upright = !below || (longest(below) <= 2 && wide / columns.length >= 12);
  const ticks = 6 + (upright ? 12 : 6.4 * longest(below));
  return {
    left,
    below,
    upright,
    x,
    y: 7, // half of a line: the first name may stand at the edge
    ticks,
    bottom: ticks + (axes.x || key ? 18 : 0),
    width: wide,
    height: height ?? wide,
  };
}

/** entry(i, j) of a matrix no larger than what can be seen: of each few the largest in magnitude. */
function visible({ rows, columns, entry }, { width, height }) {
  const ratio = globalThis.devicePixelRatio || 1;
  const few = (n, pixels) => Math.max(1, Math.ceil(n / Math.max(1, pixels * ratio)));
  const [down, across] = [few(rows.length, height), few(columns.length, width)];
  if (down === 1 && across === 1) return { n: rows.length, m: columns.length, entry };
  const largest = (i, j) => {
    let found = NaN;
    for (let r = i * down; r < Math.min((i + 1) * down, rows.length); r++) {
      for (let c = j * across; c < Math.min((j + 1) * across, columns.length); c++) {
        const value = entry(r, c);
        if (!Number.isNaN(value) && !(Math.abs(value) <= Math.abs(found))) found = value;
      }
    }
    return found;
  };
  const [n, m] = [Math.ceil(rows.length / down), Math.ceil(columns.length / across)];
  return { n, m, entry: largest };
}

function paint(canvas, state, layout) {
  const { n, m, entry } = visible(state, layout);
  canvas.width = m;
  canvas.height = n;
  const context = canvas.getContext("2d");
  const image = context.createImageData(m, n);
  for (let i = 0, k = 0; i < n; i++) {
    for (let j = 0; j < m; j++, k += 4) {
      const [r, g, b] = state.colour(entry(i, j));
      image.data[k] = r;
      image.data[k + 1] = g;
      image.data[k + 2] = b;
      image.data[k + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  const { x, y, width, height } = layout;
  canvas.dataset.place = JSON.stringify({ x, y, width, height });
  const whole = { width: x + width + RIGHT, height: y + height + layout.bottom };
  const part = (name, value) => canvas.style.setProperty(name, `${100 * value}%`);
  part("left", x / whole.width);
  part("top", y / whole.height);
  part("width", width / whole.width);
  part("height", height / whole.height);
}

function decorate(svg, { rows, columns, frames, axes, key, index }, layout) {
  const { x, y, width, height, bottom, left, below, upright } = layout;
  const [w, hh] = [x + width + RIGHT, y + height + bottom];
  svg.setAttribute("viewBox", `0 0 ${w} ${hh}`);
  svg.parentNode?.style.setProperty("max-width", `${w}px`);
  const [dx, dy] = [width / columns.length, height / rows.length];
  const ticks = [];
  const places = (list, n) => (list ? list.map((name, i) => [i, name]) : numbers(n, index));
  for (const [i, name] of places(left, rows.length)) {
    ticks.push(
      s(
        "text",
        {
          x: x - 5,
          y: y + (i + 0.5) * dy,
          "text-anchor": "end",
          "dominant-baseline": "central",
          class: "tick",
        },
        name,
      ),
    );
  }
  for (const [j, name] of places(below, columns.length)) {
    const [cx, cy] = [x + (j + 0.5) * dx, y + height + 6];
    ticks.push(
      upright
        ? s("text", { x: cx, y: cy + 8, "text-anchor": "middle", class: "tick" }, name)
        : s(
            "text",
            {
              x: cx,
              y: cy,
              transform: `rotate(-90 ${cx} ${cy})`,
              "text-anchor": "end",
              "dominant-baseline": "central",
              class: "tick",
            },
            name,
          ),
    );
  }
  svg.replaceChildren(
    s("rect", { x, y, width, height, class: "border" }),
    ...frames.map(({ from, size }) =>
      s("rect", {
        x: x + from * dx,
        y: y + from * dy,
        width: size * dx,
        height: size * dy,
        class: "frame",
      }),
    ),
    ...ticks,
    ...axisNames(axes, layout, Boolean(key)),
    ...(key ? keyOf(key, layout) : []),
    s("rect", { x, y, width, height, class: "target" }),
  );
}

/** Names of the sides; the one below stands to the left where a key stands to the right. */
function axisNames(axes, { x, y, width, height, ticks }, aside) {
  const middle = y + height / 2;
  const place = aside
    ? { x, "text-anchor": "start" }
    : { x: x + width / 2, "text-anchor": "middle" };
  return [
    axes.x && s("text", { ...place, y: y + height + ticks + 13, class: "axis" }, axes.x),
    axes.y &&
      s(
        "text",
        {
          x: 11,
          y: middle,
          transform: `rotate(-90 11 ${middle})`,
          "text-anchor": "middle",
          class: "axis",
        },
        axes.y,
      ),
  ].filter(Boolean);
}

function keyOf({ low, high, colour }, { x, y, width, height, ticks }) {
  const [right, line] = [x + width - 7 * high.length, y + height + ticks + 9];
  const steps = 28;
  const bar = Array.from({ length: steps }, (_, i) =>
    s("rect", {
      x: right - KEY + (i * KEY) / steps,
      y: line - 4,
      width: KEY / steps + 0.2,
      height: 8,
      fill: `rgb(${colour(i / (steps - 1)).join(", ")})`,
    }),
  );
  const text = (at, anchor, words) =>
    s(
      "text",
      { x: at, y: line, "text-anchor": anchor, "dominant-baseline": "central", class: "tick" },
      words,
    );
  return [...bar, text(right - KEY - 5, "end", low), text(right + 5, "start", high)];
}

function numbers(n, index = (i) => i) {
  const step = [5, 10, 20, 50, 100, 200, 500].find((each) => n / each <= 8) ?? 1000;
  return Array.from({ length: Math.ceil(n / step) }, (_, i) => [i * step, number(index(i * step))]);
}

function listen(svg, output, state) {
  const at = (event) => {
    const target = svg.querySelector(".target").getBoundingClientRect();
    const j = Math.floor(((event.clientX - target.left) / target.width) * state.columns.length);
    const i = Math.floor(((event.clientY - target.top) / target.height) * state.rows.length);
    return i >= 0 && j >= 0 && i < state.rows.length && j < state.columns.length ? [i, j] : null;
  };
  const tell = (event) => {
    const cell = at(event);
    output.replaceChildren(...[cell && state.says ? state.says(...cell) : hint(state)].flat());
    svg.classList.toggle("opens", Boolean(cell && state.open));
  };
  svg.addEventListener("pointermove", tell);
  svg.addEventListener("pointerdown", tell);
  svg.addEventListener("pointerleave", () => output.replaceChildren(hint(state) ?? ""));
  svg.addEventListener("click", (event) => {
    const cell = at(event);
    if (cell && state.open) state.open(...cell);
  });
}

/** The frames of clusters that stand along the diagonal one after another. */
export function framesOf(sizes) {
  let from = 0;
  return sizes.map((size) => ({ from: (from += size) - size, size }));
}

/** Words for an entry of an SNP matrix. */
export const entryWords = (row, column, value) => [
  "true ",
  named(row),
  " → output ",
  named(column),
  `: ${number(value)} of the maximum`,
];
