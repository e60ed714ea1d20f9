// One label: who knows it, block by block, and with what it is confused. And all labels as a table.

import { Atlas } from "./atlas.js";
import { values } from "./arrays.js";
import { h, named, number, percent, plural } from "./dom.js";
import { dataTable } from "./table.js";
import { saveButtons } from "./save.js";

const MOST = 12;

export async function labelsView(atlas) {
  const known = await knowers(atlas);
  const confusion = atlas.part.confusions && (await values(atlas.part.confusions));
  const all = atlas.labels.map((name, label) => ({
    name,
    label,
    nodes: known.total[label],
    ...answers(confusion, label, atlas.C),
  }));
  const link = (label) => h("a", { href: atlas.to.label(label) }, named(atlas.labels[label]));
  const columns = [
    { key: "name", title: "label", value: (r) => r.name, cell: (r) => link(r.label) },
    { key: "nodes", title: "nodes that know it", numeric: true, value: (r) => r.nodes },
    ...(confusion
      ? [
          {
            key: "accuracy",
            title: "accuracy",
            numeric: true,
            value: (r) => r.accuracy,
            cell: (r) => percent(r.accuracy),
          },
          {
            key: "mistaken",
            title: "most taken for",
            value: (r) => (r.chosen.length ? atlas.labels[r.chosen[0].label] : ""),
            cell: (r) => (r.chosen.length ? [link(r.chosen[0].label), ` (${r.chosen[0].n})`] : "–"),
          },
        ]
      : []),
  ];
  return [h("h1", {}, "Labels"), dataTable({ name: "labels", columns, rows: all }).element];
}

export async function labelView(atlas, address) {
  const label = address.label ?? atlas.labels.indexOf(address.name);
  if (!(label >= 0 && label < atlas.C)) return null;
  const known = await knowers(atlas);
  const confusion = atlas.part.confusions && (await values(atlas.part.confusions));
  const found = answers(confusion, label, atlas.C);
  return [
    heading(atlas, label, found, known.total[label]),
    knownBy(atlas, label, known),
    await headsOf(atlas, label),
    h(
      "section",
      {},
      h("h2", {}, "With what it is confused"),
      h("div", { class: "panels" }, confusions(atlas, found), await companions(atlas, label)),
    ),
    nodesOf(atlas, label, known),
  ];
}

/** {total: [nodes of each label], taps: Map tap -> (label -> nodes)}; once for a seed. */
function knowers(atlas) {
  return (atlas.knowers ??= gather(atlas));
}

async function gather(atlas) {
  const total = new Uint32Array(atlas.C);
  const taps = new Map();
  for (const name of atlas.taps) {
    const tap = await atlas.open(name);
    const found = Array.from({ length: atlas.C }, () => []);
    for (let node = 0, k = 0; node < tap.D; node++) {
      for (let label = 0; label < atlas.C; label++, k++) {
        if (tap.clusters[k]) {
          found[label].push(node);
          total[label]++;
        }
      }
    }
    taps.set(name, { tap, found });
  }
  return { total, taps };
}

/** Row and column of a label in the confusions: {accuracy, inputs, chosen, mistaken}. */
function answers(confusion, label, C) {
  if (!confusion) return { accuracy: null, inputs: null, chosen: [], mistaken: [] };
  const list = (at) =>
    Array.from({ length: C }, (_, other) => ({ label: other, n: confusion[at(other)] }))
      .filter((f) => f.n > 0 && f.label !== label)
      .sort((a, b) => b.n - a.n);
  let inputs = 0;
  for (let other = 0; other < C; other++) inputs += confusion[label * C + other];
  return {
    inputs,
    accuracy: inputs ? confusion[label * C + label] / inputs : null,
    chosen: list((other) => label * C + other),
    mistaken: list((other) => other * C + label),
  };
}

function heading(atlas, label, found, nodes) {
  const step = (to, rel, text) =>
    to < 0 || to >= atlas.C
      ? h("span", { class: "step off" }, text)
      : h(
          "a",
          { class: "step", rel, href: atlas.to.label(to), "aria-label": "another label" },
          text,
        );
  const facts = [
    ["nodes that know it", number(nodes)],
    ["test inputs", number(found.inputs)],
    ["accuracy", percent(found.accuracy)],
  ];
  return h(
    "div",
    {},
    h(
      "div",
      { class: "title" },
      h("h1", {}, named(atlas.labels[label])),
      h("p", { class: "of" }, `label ${label}, of 0 to ${atlas.C - 1}`),
      h(
        "nav",
        { class: "steps", "aria-label": "Neighbouring labels" },
        step(label - 1, "prev", "←"),
        step(label + 1, "next", "→"),
      ),
    ),
    h(
      "dl",
      { class: "numbers" },
      facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  );
}

function knownBy(atlas, label, { taps }) {
  const blocks = [...new Set(atlas.taps.map((tap) => Atlas.place(tap).block))];
  const share = (name) => {
    const { tap, found } = taps.get(name);
    return found[label].length / tap.D;
  };
  const most = Math.max(...atlas.taps.map(share), 1e-9);
  const cell = (block, site) => {
    const name = `block${block}.${site}`;
    if (!taps.has(name)) return h("td", {});
    const now = share(name) / most;
    const n = taps.get(name).found[label].length;
    return h(
      "td",
      {
        class: "heat",
        style: { "--share": now.toFixed(3) },
        title: `${n} of ${taps.get(name).tap.D} nodes`,
      },
      h("a", { href: atlas.to.site(name) }, n),
    );
  };
  const table = () => [
    ["tap", "nodes", "of"],
    ...atlas.taps.map((name) => [name, taps.get(name).found[label].length, taps.get(name).tap.D]),
  ];
  return h(
    "section",
    {},
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, "Who knows it, block by block"),
      saveButtons({ name: "label nodes", rows: table }),
    ),
    h(
      "p",
      { class: "faint" },
      "Nodes that have it on their diagonal; the darker, the larger their share of the site.",
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Nodes by block and site" },
      h(
        "table",
        { class: "map" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td", {}),
            blocks.map((b) => h("th", { scope: "col" }, `block ${b}`)),
          ),
        ),
        h(
          "tbody",
          {},
          atlas.sites.map((site) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, site),
              blocks.map((b) => cell(b, site)),
            ),
          ),
        ),
      ),
    ),
  );
}

async function headsOf(atlas, label) {
  if (!atlas.headBlocks.length) return null;
  const rows_ = await Promise.all(
    atlas.headBlocks.map(async (block) => {
      const name = `share_${atlas.run.split}`;
      const [share, expert] = await Promise.all([
        values(block.labels[name]),
        values(block.labels.expert),
      ]);
      const [H, C] = block.labels[name].shape;
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, `block ${block.block}`),
        Array.from({ length: H }, (_, head) => {
          const now = share[head * C + label];
          return h(
            "td",
            {
              class: "heat",
              style: { "--share": (now || 0).toFixed(3) },
            },
            h("a", { href: atlas.to.head(block.block, head) }, percent(now)),
            expert[head * C + label]
              ? h("abbr", { title: "its expert, chosen on the training split" }, " ★")
              : null,
          );
        }),
      );
    }),
  );
  const H = atlas.run.heads;
  return h(
    "section",
    {},
    h("h2", {}, "Its heads"),
    h(
      "p",
      { class: "faint" },
      "Each head's share of the nodes at heads that know it; ★ its expert.",
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Share of each head" },
      h(
        "table",
        { class: "map" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td", {}),
            Array.from({ length: H }, (_, i) => h("th", { scope: "col" }, `head ${i}`)),
          ),
        ),
        h("tbody", {}, rows_),
      ),
    ),
  );
}

function confusions(atlas, { chosen, mistaken, inputs }) {
  if (inputs === null) return [];
  const none = "Nothing, on the test split.";
  return [
    barList(atlas, "The network takes its inputs for", chosen, { none, unit: "inputs" }),
    barList(atlas, "The network takes for it inputs of", mistaken, { none, unit: "inputs" }),
  ];
}

/** Labels that nodes cannot tell from it: those in the same cluster. */
async function companions(atlas, label) {
  const together = new Uint32Array(atlas.C);
  for (const name of atlas.taps) {
    const tap = await atlas.open(name);
    for (let node = 0; node < tap.D; node++) {
      const own = tap.clusters[node * atlas.C + label];
      if (!own) continue;
      for (let other = 0; other < atlas.C; other++)
        if (tap.clusters[node * atlas.C + other] === own) together[other]++;
    }
  }
  const found = Array.from(together, (n, other) => ({ n, label: other }))
    .filter((f) => f.n && f.label !== label)
    .sort((a, b) => b.n - a.n);
  return barList(atlas, "Single nodes have in one cluster with it", found, {
    none: "None.",
    unit: "nodes",
  });
}

/** found: [{label, n}], most first. */
function barList(atlas, title, found, { none, unit }) {
  const item = ({ label, n }) =>
    h(
      "li",
      {},
      h("a", { href: atlas.to.label(label) }, named(atlas.labels[label])),
      h("span", { class: "bar-line", style: { "--share": n / found[0].n } }),
      h("span", { class: "value" }, n),
    );
  const more = found.length - MOST;
  return h(
    "div",
    { class: "panel" },
    h(
      "div",
      { class: "panel-head" },
      h("h3", {}, title),
      saveButtons({
        name: title,
        rows: () => [["label", unit], ...found.map((f) => [atlas.labels[f.label], f.n])],
      }),
    ),
    found.length
      ? h("ul", { class: "bars" }, found.slice(0, MOST).map(item))
      : h("p", { class: "faint" }, none),
    more > 0 && h("p", { class: "faint" }, `and ${plural(more, "label")} less often`),
  );
}

function nodesOf(atlas, label, { taps, total }) {
  const all = [...taps].flatMap(([name, { tap, found }]) =>
    found[label].map((node) => ({
      name,
      node,
      labels: tap.nodes.labels[node],
      noise: tap.nodes.noise[node],
      size: tap.clusters
        .subarray(node * atlas.C, (node + 1) * atlas.C)
        .reduce((n, c, _, row) => n + (c === row[label] ? 1 : 0), 0),
    })),
  );
  const columns = [
    {
      key: "node",
      title: "node",
      value: (r) => `${r.name} node ${r.node}`,
      cell: (r) => h("a", { href: atlas.to.node(r.name, r.node) }, `${r.name} node ${r.node}`),
    },
    { key: "size", title: "labels in its cluster", numeric: true, value: (r) => r.size },
    { key: "labels", title: "labels of the node", numeric: true, value: (r) => r.labels },
    { key: "noise", title: "noise", numeric: true, value: (r) => r.noise },
  ];
  return h(
    "section",
    {},
    h("h2", {}, `All ${plural(total[label], "node")} that know it`),
    dataTable({ name: "nodes of a label", columns, rows: all }).element,
  );
}
