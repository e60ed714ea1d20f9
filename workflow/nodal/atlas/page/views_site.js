// One site of a block: its nodes as a map, as distributions and as a table.

import { Atlas, clustersOf, SITES } from "./atlas.js";
import { values } from "./arrays.js";
import { histogram } from "./chart.js";
import { orderByCluster } from "./clusters.js";
import { ink } from "./colours.js";
import { h, named, number, percent, plural, short } from "./dom.js";
import { matrixPlot } from "./matrix.js";
import { figure } from "./save.js";
import { dataTable } from "./table.js";
import { WORDS, word } from "./words.js";

const HISTOGRAMS = [
  ["labels", "Labels it recognises", "labels"],
  ["n_clusters", "Clusters", "clusters"],
  ["signal", "Signal", "entries in clusters"],
  ["noise", "Noise", "ones outside clusters"],
];

export async function siteView(atlas, address) {
  if (!atlas.taps.includes(address.tap)) return null;
  const tap = await atlas.open(address.tap);
  const nodes = Array.from({ length: tap.D }, (_, node) => describe(tap, node));
  return [
    heading(atlas, tap),
    labelMap(atlas, tap, nodes),
    await distributions(tap),
    nodeTable(atlas, tap, nodes),
  ];
}

function describe(tap, node) {
  const cluster = clustersOf(tap, node);
  const labels = orderByCluster(cluster).filter((label) => cluster[label] >= 0);
  const number_ = (name) => tap.nodes[name][node];
  return {
    node,
    labels,
    cluster,
    head: tap.perHead ? Math.floor(node / tap.perHead) : null,
    n_clusters: number_("n_clusters"),
    signal: number_("signal"),
    noise: number_("noise"),
    largest: number_("largest"),
    silent: number_("silent"),
  };
}

function heading(atlas, tap) {
  const { block, site } = Atlas.place(tap.name);
  const at = atlas.taps.indexOf(tap.name);
  const step = (to, rel, text) =>
    atlas.taps[to]
      ? h(
          "a",
          { class: "step", rel, href: atlas.to.site(atlas.taps[to]), "aria-label": atlas.taps[to] },
          text,
        )
      : h("span", { class: "step off" }, text);
  const row = atlas.layer(tap.name) ?? {};
  const facts = [
    ["readout accuracy", percent(tap.accuracy)],
    ["nodes", number(tap.D)],
    ["signal / noise", number(row.snr)],
    ["permuted labels", number(row.snr_null)],
    ["silent", percent(row.silent_share)],
    ["no cluster", percent(row.no_cluster_share)],
  ];
  return h(
    "div",
    {},
    h(
      "div",
      { class: "title" },
      h("h1", {}, tap.name),
      h("p", { class: "of" }, `block ${block}, ${SITES[site] ?? site}`),
      h(
        "nav",
        { class: "steps", "aria-label": "Neighbouring sites" },
        step(at - 1, "prev", "←"),
        step(at + 1, "next", "→"),
      ),
    ),
    row.p_chance > 0.05 &&
      h(
        "p",
        { class: "warning" },
        h("strong", {}, "At chance. "),
        "This readout does no better than guessing: what its nodes seem to know means nothing.",
      ),
    h(
      "dl",
      { class: "numbers" },
      facts.map(([name, value]) => h("div", {}, h("dt", {}, word(name)), h("dd", {}, value))),
    ),
    h(
      "p",
      { class: "faint" },
      `Read by ${tap.pooled === "sequence" ? "sequence pooling" : tap.pooled === "mean" ? "the mean over tokens" : "a grid of positions"}.`,
    ),
  );
}

/** Labels down, nodes across, both so that what belongs together stands together. */
function labelMap(atlas, tap, nodes) {
  const order = [...nodes].sort(
    (a, b) =>
      (a.labels[0] ?? Infinity) - (b.labels[0] ?? Infinity) ||
      b.labels.length - a.labels.length ||
      a.node - b.node,
  );
  const { labels } = atlas;
  const rowHeight = labels.length <= 26 ? 17 : Math.max(2, Math.min(6, 520 / labels.length));
  const plot = matrixPlot({
    rows: labels,
    columns: order.map((n) => String(n.node)),
    width: 1210,
    height: Math.min(900, rowHeight * labels.length),
    entry: (i, j) => (order[j].cluster[i] >= 0 ? 1 : 0),
    colour: ink(),
    axes: { x: tap.D > 26 ? "rank of the node, nodes by their first label" : "node", y: "label" },
    label: "Which label is on the diagonal of which node",
    open: (_, j) => {
      location.hash = atlas.to.node(tap.name, order[j].node);
    },
    says: (i, j) => [
      "node ",
      order[j].node,
      order[j].cluster[i] >= 0 ? " recognises " : " does not recognise ",
      named(labels[i]),
    ],
  });
  const table = () => [
    ["label", ...nodes.map((n) => `node ${n.node}`)],
    ...labels.map((label, i) => [
      label,
      ...nodes.map((n) => (n.cluster[i] >= 0 ? n.cluster[i] + 1 : 0)),
    ]),
  ];
  return figure({
    title: "Who knows what",
    body: plot.element,
    picture: () => plot.svg,
    rows: table,
    name: `${tap.name}_labels`,
    wide: true,
    caption:
      "Filled: the node recognises the label (it is on the diagonal above θ). The table below says the same in words.",
  });
}

async function distributions(tap) {
  const panels = await Promise.all(
    HISTOGRAMS.map(async ([key, title, x]) => {
      const nulls = Array.from(await values(tap.null[key]));
      const { element, svg, rows } = histogram({
        real: Array.from(tap.nodes[key]),
        nulls,
        x,
        label: `${title}, nodes against permuted labels`,
      });
      return figure({
        title,
        body: element,
        picture: () => svg,
        rows: () => rows,
        name: `${tap.name}_${key}`,
      });
    }),
  );
  return h(
    "section",
    {},
    h("h2", {}, "Against permuted labels"),
    h(
      "p",
      { class: "faint" },
      "Bars: this site's nodes. Line: the same nodes with the true labels permuted.",
    ),
    h("div", { class: "panels small" }, panels),
  );
}

function nodeTable(atlas, tap, nodes) {
  const names = (n) => n.labels.map((label) => atlas.labels[label]);
  const counted = (key, value) => ({ key, title: key, numeric: true, hint: WORDS[key], value });
  const columns = [
    {
      key: "node",
      title: "node",
      numeric: true,
      value: (n) => n.node,
      cell: (n) => h("a", { href: atlas.to.node(tap.name, n.node) }, n.node),
    },
    tap.perHead && { key: "head", title: "head", numeric: true, value: (n) => n.head },
    {
      key: "labels",
      title: "labels",
      value: (n) => names(n).join(", "),
      cell: (n) => clipped(atlas, n),
    },
    { key: "n_labels", title: "how many", numeric: true, value: (n) => n.labels.length },
    counted("clusters", (n) => n.n_clusters),
    counted("signal", (n) => n.signal),
    counted("noise", (n) => n.noise),
    {
      key: "largest",
      title: "largest field",
      numeric: true,
      hint: "the largest entry of its SNP matrix",
      value: (n) => n.largest,
      cell: (n) => number(n.largest),
    },
  ].filter(Boolean);
  const { element, show } = dataTable({ name: `${tap.name} nodes`, columns, rows: nodes });
  return h("section", {}, h("h2", {}, "Its nodes"), filters(atlas, tap, nodes, show), element);
}

function clipped(atlas, { labels, silent }) {
  if (!labels.length) return h("span", { class: "faint" }, silent ? "silent" : "none");
  const shown = labels
    .slice(0, 6)
    .map((label, i) => [
      i ? ", " : "",
      h("a", { href: atlas.to.label(label) }, named(atlas.labels[label])),
    ]);
  return h("span", { class: "one-line" }, shown, labels.length > 6 && ` + ${labels.length - 6}`);
}

function filters(atlas, tap, nodes, show) {
  const label = h(
    "select",
    { id: "filter-label" },
    h("option", { value: "" }, "any label"),
    atlas.labels.map((name, i) => h("option", { value: i }, short(name, 40))),
  );
  const heads =
    tap.perHead &&
    h(
      "select",
      { id: "filter-head" },
      h("option", { value: "" }, "any head"),
      Array.from({ length: tap.D / tap.perHead }, (_, head) =>
        h("option", { value: head }, `head ${head}`),
      ),
    );
  const least = h("input", {
    id: "filter-clusters",
    type: "number",
    min: 0,
    max: atlas.C,
    value: 0,
    inputmode: "numeric",
  });
  const most = h("input", {
    id: "filter-noise",
    type: "number",
    min: 0,
    placeholder: "any",
    inputmode: "numeric",
  });
  const keep = (n) =>
    (label.value === "" || n.cluster[Number(label.value)] >= 0) &&
    (!heads || heads.value === "" || n.head === Number(heads.value)) &&
    n.n_clusters >= Number(least.value || 0) &&
    (most.value === "" || n.noise <= Number(most.value));
  const all = [label, heads, least, most].filter(Boolean);
  all.forEach((field) => field.addEventListener("input", () => show(keep)));
  return h(
    "form",
    {
      class: "filters",
      onsubmit: (event) => event.preventDefault(),
      "aria-label": `Filter ${plural(nodes.length, "node")}`,
    },
    h("label", {}, "knows ", label),
    heads && h("label", {}, "of ", heads),
    h("label", {}, "clusters at least ", least),
    h("label", {}, "noise at most ", most),
  );
}
