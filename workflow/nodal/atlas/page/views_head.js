// One head: its labels, its matrix, Q against its null, what silencing it costs. And all heads.

import { values } from "./arrays.js";
import { lineChart } from "./chart.js";
import { ink, sequential } from "./colours.js";
import { h, named, number, percent } from "./dom.js";
import { explorer } from "./explorer.js";
import { sumOfMatrices } from "./fields.js";
import { matrixPlot } from "./matrix.js";
import { figure } from "./save.js";
import { numbersRow } from "./slider.js";
import { dataTable } from "./table.js";
import { word } from "./words.js";

const COLUMNS = {
  count_test: ["nodes", number, "its nodes that know the label, on the test split"],
  share_test: ["share", percent, "its share of all nodes that know the label, on the test split"],
  count_train: ["nodes (training)", number, "the same on the training split"],
  share_train: ["share (training)", percent, "the same on the training split"],
  restricted_auc: ["AUC alone", number, "of the readout restricted to this head"],
  restricted_accuracy: ["accuracy alone", percent, "of the readout restricted to this head"],
  drop_auc: ["AUC lost", number, "when the head is silenced in the whole network"],
  drop_accuracy: ["accuracy lost", percent, "when the head is silenced in the whole network"],
};

const MOST = 0.8; // share at which the colours end

const shareOf = (atlas, block) => block.labels[`share_${atlas.run.split}`];

export async function headsView(atlas) {
  if (!atlas.headBlocks.length) return null;
  const maps = await Promise.all(atlas.headBlocks.map((block) => shareMap(atlas, block)));
  return [
    h("h1", {}, "Heads"),
    h(
      "p",
      { class: "lead" },
      `Does each head become the expert for labels of its own? Q is the mean over labels of the largest head's share of the nodes that know the label: ${number(1 / atlas.run.heads)} if all ${atlas.run.heads} heads are alike, 1 if each label belongs to one head.`,
    ),
    h("div", { class: "panels" }, againstNull(atlas), blockTable(atlas)),
    h("section", {}, h("h2", {}, "Who has which label"), h("div", { class: "panels" }, maps)),
  ];
}

async function shareMap(atlas, block) {
  const share = await values(shareOf(atlas, block));
  const [H, C] = shareOf(atlas, block).shape;
  const best = Array.from({ length: C }, (_, label) => {
    const column = Array.from({ length: H }, (_, head) => share[head * C + label] || 0);
    const most = Math.max(...column);
    return { label, head: most > 0 ? column.indexOf(most) : H, most };
  }).sort((a, b) => a.head - b.head || b.most - a.most);
  const [colour, blank] = [sequential(), ink()(0)];
  const names = best.map(({ label }) => atlas.labels[label]);
  const entry = (i, j) => share[i * C + best[j].label];
  const plot = matrixPlot({
    rows: Array.from({ length: H }, (_, i) => String(i)),
    columns: names,
    width: 376,
    height: Math.max(60, Math.min(24 * H, 360)),
    key: { low: "0%", high: `${100 * MOST}%`, colour },
    entry,
    colour: (v) => (Number.isFinite(v) ? colour(v / MOST) : blank),
    axes: { x: "label, by its largest head", y: "head" },
    label: `Shares of the heads of block ${block.block}`,
    says: (i, j) =>
      Number.isFinite(entry(i, j))
        ? ["head ", i, " has ", percent(entry(i, j)), " of ", named(names[j])]
        : ["no node knows ", named(names[j])],
    open: (i) => {
      location.hash = atlas.to.head(block.block, i);
    },
  });
  const rows = () => [
    ["head", ...atlas.labels],
    ...Array.from({ length: H }, (_, i) => [
      i,
      ...atlas.labels.map((_, label) => share[i * C + label]),
    ]),
  ];
  const links = Array.from({ length: H }, (_, i) => [
    i ? " · " : "",
    h("a", { href: atlas.to.head(block.block, i) }, `${block.block}.${i}`),
  ]);
  return figure({
    title: `Block ${block.block}`,
    body: plot.element,
    picture: () => plot.svg,
    rows,
    name: `block${block.block}_shares`,
    caption: [
      `Q = ${number(block.all.Q)}, null ${number(block.all.Q_null)}. `,
      share.some(Number.isNaN) && "Blank: a label that no node knows. ",
      "Heads: ",
      links,
    ],
  });
}

function againstNull(atlas, own = null) {
  const blocks = atlas.headBlocks;
  const at = blocks.map((b) => b.block);
  const null_ = {
    name: "95% of the null",
    colour: "var(--grey)",
    marker: "square",
    line: true,
    points: blocks.map(({ block, all }) => ({
      x: block,
      y: all.Q_null,
      low: all.Q_null_low,
      high: all.Q_null_high,
      says: `block ${block}: null ${number(all.Q_null)} [${number(all.Q_null_low)}, ${number(all.Q_null_high)}]`,
    })),
  };
  const real = {
    name: `Q, seed ${atlas.seed}`,
    colour: "var(--vermilion)",
    line: false,
    points: blocks.map(({ block, all }) => ({
      x: block,
      y: all.Q,
      says: `block ${block}: Q = ${number(all.Q)}, p = ${number(all.p_Q)}`,
    })),
  };
  const all = [
    ...null_.points.flatMap((p) => [p.low, p.high]),
    ...real.points.map((p) => p.y),
    1 / atlas.run.heads,
  ].filter(Number.isFinite);
  const pad = 0.1 * (Math.max(...all) - Math.min(...all) || 1);
  const chart = lineChart({
    series: [null_, real],
    label: "Q of each block against its null",
    x: { label: "block", domain: [Math.min(...at) - 0.3, Math.max(...at) + 0.3], ticks: at },
    y: { label: "Q", domain: [Math.min(...all) - pad, Math.max(...all) + pad] },
    marks: [
      { y: 1 / atlas.run.heads, label: "symmetric" },
      ...(own === null ? [] : [{ x: own, colour: "var(--orange)" }]),
    ],
  });
  const names = ["Q", "Q_null", "Q_null_low", "Q_null_high", "z_Q", "p_Q"];
  return figure({
    title: "Q against its null",
    body: chart.element,
    picture: () => chart.svg,
    name: "Q",
    rows: () => [
      ["block", ...names],
      ...blocks.map((b) => [b.block, ...names.map((n) => b.all[n])]),
    ],
  });
}

/** The same as a table, with what else is said of a block as a whole. */
function blockTable(atlas) {
  const columns = [
    ["block", (b) => b.block],
    ["Q", (b) => number(b.all.Q)],
    ["its null", (b) => number(b.all.Q_null)],
    ["standard deviations above", (b) => number(b.all.z_Q)],
    ["p", (b) => number(b.all.p_Q)],
  ];
  return h(
    "div",
    { class: "panel" },
    h("h3", {}, "In numbers"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Q of each block" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            columns.map(([title]) => h("th", { scope: "col", class: "numeric wraps" }, title)),
          ),
        ),
        h(
          "tbody",
          {},
          atlas.headBlocks.map((block) =>
            h(
              "tr",
              {},
              columns.map(([, value]) => h("td", { class: "numeric" }, value(block))),
            ),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "faint" },
      "Null: the nodes reassigned to heads at random, heads of the same sizes.",
    ),
  );
}

export async function headView(atlas, address) {
  const block = atlas.headBlocks.find((b) => b.block === address.block);
  if (!block || address.head >= atlas.run.heads) return null;
  const { head } = address;
  const columns = Object.keys(COLUMNS).filter((name) => block.labels[name]);
  const found = Object.fromEntries(
    await Promise.all(
      [...columns, "expert"].map(async (name) => [name, await values(block.labels[name])]),
    ),
  );
  const all = atlas.labels.map((name, label) => ({ name, label, at: head * atlas.C + label }));
  const mine = all.filter((r) => found.expert[r.at]);
  return [
    heading(atlas, block, head, mine),
    await singleHead(atlas, block, head, address.theta),
    h(
      "section",
      {},
      h("h2", {}, "Its labels"),
      silenced(found, all, mine),
      labelTable(atlas, block, head, columns, found, all),
    ),
    h(
      "section",
      {},
      h("h2", {}, "Its block"),
      h("div", { class: "panels" }, againstNull(atlas, block.block)),
    ),
  ];
}

function heading(atlas, block, head, mine) {
  const places = atlas.headBlocks.flatMap((b) =>
    Array.from({ length: atlas.run.heads }, (_, i) => [b.block, i]),
  );
  const at = places.findIndex(([b, i]) => b === block.block && i === head);
  const step = (to, rel, text) =>
    places[to]
      ? h(
          "a",
          {
            class: "step",
            rel,
            href: atlas.to.head(...places[to]),
            "aria-label": `head ${places[to].join(".")}`,
          },
          text,
        )
      : h("span", { class: "step off" }, text);
  return h(
    "div",
    {},
    h(
      "div",
      { class: "title" },
      h("h1", {}, `head ${block.block}.${head}`),
      h("p", { class: "of" }, `head ${head} of block ${block.block}`),
      h(
        "nav",
        { class: "steps", "aria-label": "Neighbouring heads" },
        step(at - 1, "prev", "←"),
        step(at + 1, "next", "→"),
      ),
    ),
    h(
      "p",
      {},
      "Expert for ",
      mine.length
        ? mine.map((r, i) => [
            i ? ", " : "",
            h("a", { href: atlas.to.label(r.label) }, named(r.name)),
          ])
        : "no label",
      h("span", { class: "faint" }, " (most nodes for it, on the training split)."),
    ),
  );
}

/** The sum of its nodes' matrices, to play with. */
async function singleHead(atlas, block, head, theta) {
  const name = `block${block.block}.heads`;
  if (!atlas.taps.includes(name)) return null;
  const tap = await atlas.open(name);
  const nodes = Array.from({ length: tap.perHead }, (_, i) => head * tap.perHead + i);
  const of = (column) => block.heads[`head_${column}`][head];
  const numbers = { n_clusters: of("n_clusters"), signal: of("signal"), noise: of("noise") };
  const file = `heads/block${block.block}.csv`;
  if (tap.field.form === "entries" && !block.matrices)
    return h(
      "section",
      {},
      h("p", { class: "warning" }, "The matrix of this head has no room in the page. Its numbers:"),
      numbersRow(numbers, "head", `As in ${file}.`),
    );
  const size = atlas.C * atlas.C;
  const matrix = block.matrices
    ? (await values(block.matrices)).subarray(head * size, (head + 1) * size)
    : sumOfMatrices(tap.field, nodes, atlas.C);
  return explorer({
    atlas,
    theta,
    matrix,
    own: { numbers },
    file,
    what: "head",
    name: `head_${block.block}.${head}`,
    about: `The sum over its nodes ${nodes[0]} to ${nodes.at(-1)} at ${name}.`,
  });
}

function silenced({ drop_auc: drop, expert }, all, mine) {
  if (!mine.length || mine.length === all.length) return null;
  const mean = (list) => list.reduce((sum, r) => sum + drop[r.at], 0) / list.length;
  const rest = all.filter((r) => !expert[r.at]);
  return h(
    "p",
    {},
    "Silencing it in the whole network costs the labels it is the expert for ",
    h("strong", {}, number(mean(mine))),
    " of ",
    word("AUC"),
    ", the rest ",
    h("strong", {}, number(mean(rest))),
    ".",
  );
}

function labelTable(atlas, block, head, names, found, all) {
  const star = (r) => found.expert[r.at] && h("abbr", { title: "it is the expert" }, " ★");
  const columns = [
    {
      key: "name",
      title: "label",
      value: (r) => r.name,
      cell: (r) => [h("a", { href: atlas.to.label(r.label) }, named(r.name)), star(r) || null],
    },
    ...names.map((name) => ({
      key: name,
      title: COLUMNS[name][0],
      hint: COLUMNS[name][2],
      numeric: true,
      value: (r) => found[name][r.at],
      cell: (r) => COLUMNS[name][1](found[name][r.at]),
    })),
  ];
  return dataTable({
    name: `labels of head ${block.block}.${head}`,
    columns,
    rows: all,
    sort: { key: `share_${atlas.run.split}`, down: true },
  }).element;
}
