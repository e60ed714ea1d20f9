// A matrix to play with: three plots, the slider for theta, the numbers and the list of clusters.

import { h, named, number } from "./dom.js";
import { figure } from "./save.js";
import { clusterList, numbersRow, thetaSlider } from "./slider.js";
import { cut, FEW, matrixTriptych } from "./triptych.js";

/**
 * matrix: C * C in any unit; unit: what one of it is worth in the artifact's. own: the artifact's
 * numbers, and its clusters where it has them, shown at the run's theta; file: where they stand.
 * what: "node" or "head". name: for saved files. least: of theta. about: words on the matrix.
 */
export function explorer({
  atlas,
  theta,
  matrix,
  unit = 1,
  own,
  file,
  what,
  name,
  least = 0,
  about,
}) {
  const configured = atlas.run.threshold;
  const at = (value) => cut(matrix, atlas.C, value, value === configured ? own : null);
  const slider = thetaSlider({ atlas, theta, least, change: (value) => tell(value, true) });
  const state = { now: at(slider.theta) };
  const { plots, redraw } = matrixTriptych(atlas.labels, matrix, state.now, { what });
  const numbers = h("div", { class: "at-theta", "aria-live": "polite" });
  const list = h("div", {});
  const above = h("span", {});
  const tell = (value, again) => {
    state.now = at(value);
    if (again) redraw(state.now);
    const source =
      value === configured ? `As in ${file}.` : "Computed here, from the page's matrix.";
    numbers.replaceChildren(...numbersRow(state.now.numbers, what, source));
    list.replaceChildren(clusterList(atlas, state.now.cluster));
    above.textContent = `Above θ = ${value.toFixed(2)} of its maximum`;
  };
  tell(slider.theta, false);
  return h(
    "section",
    {},
    h("div", { class: "controls" }, slider.element, numbers),
    h(
      "div",
      { class: "panels" },
      panels({ atlas, matrix, unit, plots, state, above, name, about }),
    ),
    h(
      "div",
      { class: "panel wide" },
      h("h3", {}, "Its labels, by cluster"),
      list,
      strongest(atlas, matrix),
    ),
  );
}

function panels({ atlas, matrix, unit, plots, state, above, name, about }) {
  const { labels, C } = atlas;
  const square = (entry) => () => [
    ["true \\ output", ...labels],
    ...labels.map((row, i) => [row, ...labels.map((_, j) => entry(i * C + j))]),
  ];
  const parts = [
    [
      "SNP matrix",
      "snp",
      `${about ?? ""} What it adds to each output label (columns) for inputs of each true label (rows), as a share of its largest entry: red adds, blue takes away.`,
      square((k) => unit * matrix[k]),
    ],
    [
      above,
      "boolean",
      "Filled: what exceeds θ. On the diagonal: the labels it recognises.",
      square((k) => state.now.boolean[k]),
    ],
    [
      C <= FEW ? "Ordered by cluster" : "Its own labels, by cluster",
      "clusters",
      "Framed: its clusters, labels it cannot tell apart. Ones within are signal, ones outside noise.",
      () => [["label", "cluster"], ...labels.map((label, i) => [label, state.now.cluster[i]])],
    ],
  ];
  return parts.map(([title, kind, caption, rows], i) =>
    figure({
      title,
      caption,
      rows,
      body: plots[i].element,
      picture: () => plots[i].svg,
      name: `${name}_${kind}`,
    }),
  );
}

function strongest({ labels, C }, matrix) {
  const largest = matrix.reduce((a, b) => Math.max(a, b), 0) || 1;
  const order = Array.from(matrix.keys()).filter((k) => matrix[k] > 0);
  const first = order.sort((a, b) => matrix[b] - matrix[a]).slice(0, 12);
  const titles = ["true label", "output label", "of its maximum"];
  return h(
    "details",
    {},
    h("summary", {}, "Its strongest entries as a table"),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          titles.map((t) => h("th", { scope: "col" }, t)),
        ),
      ),
      h(
        "tbody",
        {},
        first.map((k) =>
          h(
            "tr",
            {},
            h("td", {}, named(labels[Math.floor(k / C)])),
            h("td", {}, named(labels[k % C])),
            h("td", { class: "numeric" }, number(matrix[k] / largest)),
          ),
        ),
      ),
    ),
  );
}
