// Inputs as they are shown, one way for each kind: a picture or a text, its shaded tokens on it.

import { bytesOf, values } from "./arrays.js";
import { h, named } from "./dom.js";

const LEVELS = 15;
const SIDE = 72; // pixels of a veil's longer side
const AROUND = 14; // words of a long text on each side of the most shaded one

/** The document's inputs -> {has(index), show(index, shade)}; shade: {grid, places, levels, mark}. */
export async function openInputs(part) {
  const index = await values(part.index);
  const place = new Map(Array.from(index, (input, i) => [input, i]));
  const kind = KINDS[part.kind];
  const show = index.length ? await kind(part) : null;
  return {
    has: (input) => place.has(input),
    show: (input, shade) => show(place.get(input), shade),
  };
}

const KINDS = { image: openImages, text: openTexts };

/** Pictures are windows on sheets of many: no canvas to draw for each. */
async function openImages({ sheets, width, height, columns, index }) {
  const addresses = sheets.map((sheet) =>
    URL.createObjectURL(new Blob([bytesOf(sheet)], { type: "image/webp" })),
  );
  const rowsOf = (sheet) =>
    Math.ceil(Math.min(index.shape[0] / columns - sheet * columns, columns));
  const share = (at, n) => `${n > 1 ? (100 * at) / (n - 1) : 0}%`;
  return (place, shade) => {
    const sheet = Math.floor(place / columns ** 2);
    const [row, column] = [Math.floor((place % columns ** 2) / columns), place % columns];
    const rows = rowsOf(sheet);
    const pixels = {
      "aspect-ratio": `${width} / ${height}`,
      "background-image": `url("${addresses[sheet]}")`,
      "background-size": `${100 * columns}% ${100 * rows}%`,
      "background-position": `${share(column, columns)} ${share(row, rows)}`,
    };
    return h(
      "div",
      { class: "picture", style: pixels },
      shade?.grid && shadeOf(width / height, shade),
    );
  };
}

/** A veil over a picture, open where its tokens do most; it lifts under the pointer. None over one token. */
function shadeOf(aspect, { grid: [rows, columns], places, levels }) {
  if (rows * columns === 1) return null;
  const [width, height] =
    aspect > 1 ? [SIDE, Math.round(SIDE / aspect)] : [Math.round(SIDE * aspect), SIDE];
  const veil = h("canvas", { class: "veil", width, height });
  const context = veil.getContext("2d", { willReadFrequently: true });
  const veiled = (share) => `rgba(8, 12, 20, ${0.6 * share})`;
  context.fillStyle = veiled(1);
  context.fillRect(0, 0, width, height);
  context.strokeStyle = "#E69F00";
  context.lineWidth = 1.5;
  const edge = (i, n, side) => Math.round((i * side) / n);
  places.forEach((cell, k) => {
    const lit = levels[k] / LEVELS;
    if (!lit) return;
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    const [x, y] = [edge(column, columns, width), edge(row, rows, height)];
    const [w, h_] = [edge(column + 1, columns, width) - x, edge(row + 1, rows, height) - y];
    context.clearRect(x, y, w, h_);
    context.fillStyle = veiled(1 - lit);
    context.fillRect(x, y, w, h_);
    if (lit >= 0.6) context.strokeRect(x + 0.75, y + 0.75, w - 1.5, h_ - 1.5);
  });
  return veil;
}

async function openTexts(part) {
  const tokens = await values(part.tokens);
  const length = part.tokens.shape[1];
  return (place, shade) => {
    const row = Array.from(tokens.subarray(place * length, (place + 1) * length));
    const end = row.includes(0) ? row.indexOf(0) : length;
    const lit = Array.from(shade?.places ?? [], (at, k) => [at, shade.levels[k]]);
    const level = new Map(lit.filter(([, much]) => much > 0));
    const most = shade?.places[0] ?? 0;
    const [from, to] =
      end > 2 * AROUND + 8 ? [Math.max(0, most - AROUND), Math.min(end, most + AROUND)] : [0, end];
    const words = [];
    for (let at = from; at < to; at++) {
      const much = level.get(at) ?? 0;
      words.push(
        h(
          "bdi",
          much ? { class: "lit", style: { "--level": much / LEVELS } } : {},
          part.vocabulary[row[at]],
        ),
        " ",
      );
    }
    return h("p", { class: "text", dir: "auto" }, from > 0 && "… ", words, to < end && "…");
  };
}

/** A card for one input of a list: the input, its label, the value and the network's answer. */
export function inputCard({ input, inputs, shade, label, chosen, value, address }) {
  const shown = inputs.has(input)
    ? inputs.show(input, shade)
    : h("div", { class: "absent" }, `#${input}`);
  const wrong = chosen !== null && chosen.name !== label.name;
  return h(
    "li",
    { class: "input", title: `test input ${input}` },
    shown,
    h("a", { href: address, class: "input-label" }, named(label.name)),
    h("span", { class: "value" }, value),
    wrong && h("span", { class: "wrong" }, "taken for ", named(chosen.name)),
  );
}
