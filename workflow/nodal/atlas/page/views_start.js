// Start: what this run is, what came of the claims, and the network as a map.

import { clustersOf, SITES } from "./atlas.js";
import { clusterSizes } from "./clusters.js";
import { h, number, percent, plural } from "./dom.js";
import { saveButtons } from "./save.js";
import { snpTriptych } from "./triptych.js";
import { claimsSection } from "./views_claims.js";
import { wordsSection } from "./words.js";

const CHANCE = 0.05;
const STATISTICS = {
  accuracy: ["readout accuracy", percent],
  snr: ["signal / noise", number],
  snr_null: ["signal / noise, labels permuted", number],
  clusters: ["clusters per node", number],
  labels: ["labels per node", number],
  cluster_size: ["labels per cluster", number],
  signal: ["signal per node", number],
  noise: ["noise per node", number],
  silent_share: ["share of silent nodes", percent],
  no_cluster_share: ["share of nodes with no cluster", percent],
};

export async function startView(atlas) {
  return [
    h("h1", {}, atlas.run.experiment),
    summary(atlas),
    warning(atlas),
    await example(atlas),
    claimsSection(atlas),
    map(atlas),
    wordsSection(),
    leftOut(atlas),
  ];
}

function summary({ document, run, labels, seeds, part }) {
  const count = (split) => {
    const origin = run.origins?.[split];
    return run[split].toLocaleString("en") + (origin && origin !== split ? ` (${origin})` : "");
  };
  const own = document.seeds.map((s) => `${percent(s.accuracy)} (seed ${s.seed})`).join(", ");
  const facts = [
    [
      "Dataset",
      `${run.dataset}: ${plural(labels.length, "label")}, ${run.kind}s to train on: ${count("train")}, to test: ${count("test")}`,
    ],
    ["Network", run.model],
    ["Test accuracy", own],
    [
      "Seeds",
      `${run.seeds.join(", ")}${seeds.length < run.seeds.length ? `; in this page: ${seeds.join(", ")}` : ""}`,
    ],
    ["Read by", run.readout],
    ["Measured on", `the ${run.split} split, θ = ${run.threshold}`],
    ...(run.pilots ? [["Pilots", run.pilots]] : []),
  ];
  return h(
    "section",
    { "aria-label": "This run" },
    h(
      "p",
      { class: "lead" },
      "What does a single node of this network know? Each node was asked what it alone ",
      "adds to every label. Here is what it answered: walk from a node to its labels, its head, the inputs ",
      "that excite it, and the nodes it leads to.",
    ),
    h(
      "dl",
      { class: "facts" },
      facts.map(([term, fact]) => [h("dt", {}, term), h("dd", {}, fact)]),
    ),
  );
}

function warning(atlas) {
  const weak = atlas.layers().filter((row) => row.p_chance > CHANCE);
  if (!weak.length) return null;
  const names = weak.map((row) => `block${row.block}.${row.site}`).join(", ");
  return h(
    "p",
    { class: "warning", role: "note" },
    h("strong", {}, "At chance. "),
    `The readout of ${names} does no better than guessing: what its nodes seem to know means nothing.`,
  );
}

/** A node that shows much: several clusters, the least noise; of the last block that has one. */
async function example(atlas) {
  for (const name of atlas.taps.toReversed()) {
    const tap = await atlas.open(name);
    let best = null;
    for (let node = 0; node < tap.D; node++) {
      const sizes = clusterSizes(clustersOf(tap, node));
      if (sizes.length < 2 || Math.max(...sizes) < 2 || !tap.field.held(node)) continue;
      const score = tap.nodes.noise[node] - 0.01 * sizes.length;
      if (best === null || score < best.score) best = { node, score };
    }
    if (best) return primer(atlas, tap, best.node);
  }
  return null;
}

function primer(atlas, tap, node) {
  const { plots } = snpTriptych(atlas, tap, node, { size: 360 });
  const step = (title, text, plot) =>
    h("li", {}, h("h3", {}, title), plot.element, h("p", {}, text));
  return h(
    "section",
    { class: "primer" },
    h("h2", {}, "How to read a node"),
    h(
      "ol",
      {},
      step(
        "Ask one node alone",
        "All other nodes silenced, inputs of each true label (rows) give each output label (columns) a mean field: the node's SNP matrix.",
        plots[0],
      ),
      step(
        `Keep what exceeds θ = ${atlas.run.threshold}`,
        "Entries above that share of the matrix's largest one. Labels on the diagonal are those the node recognises.",
        plots[1],
      ),
      step(
        "Sort by cluster",
        "Labels it cannot tell apart form clusters (framed): their entries are the signal; ones elsewhere are noise.",
        plots[2],
      ),
    ),
    h(
      "p",
      {},
      "This is ",
      h("a", { href: atlas.to.node(tap.name, node) }, `${tap.name}, node ${node}`),
      ": look at it with a slider for θ, the inputs that excite it and its neighbours.",
    ),
  );
}

function map(atlas) {
  const found = atlas.layers();
  const [blocks, sites] = [atlas.blocks, [...new Set(found.map((row) => row.site))]];
  const known = Object.keys(STATISTICS).filter((name) =>
    found.some((row) => typeof row[name] === "number"),
  );
  const [body, key] = [h("tbody", {}), h("span", { class: "key" })];
  const draw = (name) => {
    const format = STATISTICS[name][1];
    const cells = found.map((row) => row[name]).filter((v) => typeof v === "number");
    const [low, high] = [Math.min(...cells), Math.max(...cells)];
    key.textContent = `, palest ${format(low)}, deepest ${format(high)}`;
    body.replaceChildren(
      ...sites.map((site) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, site, h("small", {}, SITES[site] ?? "")),
          blocks.map((block) =>
            cell(
              atlas,
              found.find((r) => r.block === block && r.site === site),
              name,
              format,
              low,
              high,
            ),
          ),
        ),
      ),
    );
  };
  const choice = h(
    "select",
    { id: "map-statistic", onchange: () => draw(choice.value) },
    known.map((name) => h("option", { value: name }, STATISTICS[name][0])),
  );
  choice.value = known.includes("snr") ? "snr" : known[0];
  draw(choice.value);
  return h(
    "section",
    {},
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, "The network as a map"),
      saveButtons({
        name: "map",
        rows: () => [
          ["block", "site", ...known],
          ...found.map((r) => [r.block, r.site, ...known.map((n) => r[n])]),
        ],
      }),
    ),
    h(
      "p",
      {},
      h("label", { for: "map-statistic" }, "Coloured by "),
      choice,
      key,
      `; seed ${atlas.seed}. Data goes down, then on to the next block.`,
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Map of the network" },
      h(
        "table",
        { class: "map" },
        h("caption", { class: "unseen" }, "A statistic of every block and site"),
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
        body,
      ),
    ),
  );
}

function cell(atlas, row, name, format, low, high) {
  if (!row) return h("td", {});
  const tap = `block${row.block}.${row.site}`;
  const value = row[name];
  const known = typeof value === "number";
  const share = known ? (value - low) / (high - low || 1) : Number(value === "infinite");
  const words = known ? format(value) : number(value);
  const weak = row.p_chance > CHANCE && h("abbr", { title: "readout at chance" }, " ⚠");
  const inside = atlas.taps.includes(tap) ? h("a", { href: atlas.to.site(tap) }, words) : words;
  return h(
    "td",
    {
      style: { "--share": share.toFixed(3) },
      class: (known || share > 0) && "heat",
      title: tap,
    },
    inside,
    weak,
  );
}

function leftOut({ document, sites }) {
  const read = [...new Set(document.layers.site)];
  const missing = read.filter((site) => !sites.includes(site));
  const held = missing.length
    ? `Of the sites that were read, ${missing.join(", ")}: atlas.sites in the config chooses.`
    : "Every site that was read is here.";
  return h(
    "section",
    {},
    h("h2", {}, "What is not in this page"),
    h(
      "ul",
      {},
      [held, ...document.left_out].map((line) => h("li", {}, line)),
    ),
  );
}
