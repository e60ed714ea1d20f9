// One node: its matrix at any theta, its labels, the inputs that set it off, and its neighbours.

import { Atlas, bit } from "./atlas.js";
import { values } from "./arrays.js";
import { h, named, number, plural } from "./dom.js";
import { explorer } from "./explorer.js";
import { inputCard, openInputs } from "./inputs.js";
import { clusterList, numbersRow } from "./slider.js";
import { artifact } from "./triptych.js";
import { word } from "./words.js";

const openedInputs = new WeakMap();
const LISTS = [
  ["highest", "Highest", "largest pooled value"],
  ["token", "Largest single token", "the one token that excites it most"],
  ["middle", "Middle", "nearest to its median"],
  ["lowest", "Lowest", "smallest pooled value"],
];

export async function nodeView(atlas, address) {
  if (!atlas.taps.includes(address.tap)) return null;
  const tap = await atlas.open(address.tap);
  const { node } = address;
  if (node >= tap.D) return null;
  return [
    heading(atlas, tap, node),
    tap.field.held(node) ? matrices(atlas, tap, node, address.theta) : absent(atlas, tap, node),
    await excitedBy(atlas, tap, node),
    await connections(atlas, tap, node),
    await similar(atlas, tap, node),
  ];
}

function heading(atlas, tap, node) {
  const { block } = Atlas.place(tap.name);
  const head = tap.perHead === null ? null : Math.floor(node / tap.perHead);
  const step = (to, rel, text) =>
    to < 0 || to >= tap.D
      ? h("span", { class: "step off" }, text)
      : h(
          "a",
          { class: "step", rel, href: atlas.to.node(tap.name, to), "aria-label": `node ${to}` },
          text,
        );
  const known = head !== null && atlas.headBlocks.some((b) => b.block === block);
  return h(
    "div",
    { class: "title" },
    h(
      "h1",
      {},
      h("a", { href: atlas.to.site(tap.name) }, tap.name),
      h("span", { class: "slash" }, " / "),
      `node ${node}`,
    ),
    head !== null &&
      h(
        "p",
        { class: "of" },
        "of ",
        known
          ? h("a", { href: atlas.to.head(block, head) }, `head ${block}.${head}`)
          : `head ${head}`,
      ),
    h(
      "nav",
      { class: "steps", "aria-label": "Neighbouring nodes" },
      step(node - 1, "prev", "←"),
      step(node + 1, "next", "→"),
    ),
  );
}

function absent(atlas, tap, node) {
  const own = artifact(tap, node);
  return h(
    "section",
    {},
    h(
      "p",
      { class: "warning" },
      "The matrix of this node is not in the page, which has room for those of the largest fields alone. Its numbers and clusters are.",
    ),
    numbersRow(own.numbers, "node", `As in snp/block${Atlas.place(tap.name).block}.csv.`),
    clusterList(atlas, own.cluster),
  );
}

function matrices(atlas, tap, node, theta) {
  const { block } = Atlas.place(tap.name);
  const sparse = tap.field.form === "entries";
  return explorer({
    atlas,
    theta,
    matrix: tap.field.matrix(node),
    unit: tap.field.scale[node],
    own: artifact(tap, node),
    file: `snp/block${block}.csv`,
    what: "node",
    name: `${tap.name}_node${node}`,
    least: tap.field.above ?? 0,
    about: sparse
      ? `Entries above ${tap.field.above} of its maximum; the page lacks the others.`
      : "",
  });
}

function inputsOf(document) {
  if (!openedInputs.has(document)) openedInputs.set(document, openInputs(document.inputs));
  return openedInputs.get(document);
}

async function excitedBy(atlas, tap, node) {
  const inputs = await inputsOf(atlas.document);
  const trueLabels = await values(atlas.document.test_labels);
  const chosen = atlas.part.test ? await values(atlas.part.test.chosen) : null;
  const { grid, lists } = tap.inputs;
  const card = async (list, rank) => {
    const part = lists[list];
    const [index, value, place, level] = await Promise.all(
      [part.index, part.value, part.place, part.level].map(values),
    );
    const [K, S] = [part.index.shape[1], part.place.shape[2]];
    const k = node * K + rank;
    const input = index[k];
    const name = (label) => ({ name: atlas.labels[label] });
    const shade = {
      grid,
      places: place.subarray(k * S, (k + 1) * S),
      levels: level.subarray(k * S, (k + 1) * S),
    };
    return inputCard({
      input,
      inputs,
      shade,
      value: number(value[k]),
      label: name(trueLabels[input]),
      chosen: chosen ? name(chosen[input]) : null,
      address: atlas.to.label(trueLabels[input]),
    });
  };
  const groups = await Promise.all(
    LISTS.filter(([list]) => lists[list]).map(async ([list, title, words]) => {
      const cards = await Promise.all(
        Array.from({ length: lists[list].index.shape[1] }, (_, rank) => card(list, rank)),
      );
      return h(
        "div",
        { class: "input-list" },
        h("h3", {}, title, " ", h("small", {}, words)),
        h("ul", {}, cards),
      );
    }),
  );
  return h(
    "section",
    {},
    h("h2", {}, "The test inputs that excite it"),
    h(
      "p",
      { class: "faint" },
      grid && grid[0] * grid[1] === 1
        ? "It sees each input as one place: no part of it stands out. "
        : `Lit: tokens that add more to this node than the input's average token (for the lowest: less)${grid ? "; the veil lifts under the pointer" : ""}. `,
      tap.pooled === "grid"
        ? "The number is the node's value, the mean over the positions of the grid."
        : "The number is the node's pooled value; times a weight of the readout it is what the node adds to a label.",
    ),
    h("div", { class: "input-lists" }, groups),
  );
}

async function connections(atlas, tap, node) {
  const side = async (parts, words) =>
    Promise.all(
      parts.map(async (part) => {
        const [count, shown, other, weight] = await Promise.all(
          [part.count, part.shown, part.node, part.weight].map(values),
        );
        const K = part.node.shape[1];
        const items = await Promise.all(
          Array.from({ length: shown[node] }, (_, r) =>
            link(atlas, tap, node, part, other[node * K + r], weight[node * K + r]),
          ),
        );
        return h(
          "div",
          { class: "panel" },
          h("h3", {}, `${words} ${part.tap ?? "the output labels"}`),
          h(
            "p",
            { class: "faint" },
            `${count[node]} of ${part.of} ${part.kernels ? "kernels" : "weights"} kept${shown[node] < count[node] ? `; the ${shown[node]} strongest` : ""}.`,
            part.tap !== null &&
              !atlas.taps.includes(part.tap) &&
              " That site is not in this page.",
          ),
          h("ul", { class: "links" }, items),
        );
      }),
    );
  const parts = [...(await side(tap.before, "From")), ...(await side(tap.after, "To"))];
  if (!parts.length)
    return h(
      "section",
      {},
      h("h2", {}, "Connections that its labels keep"),
      h("p", { class: "faint" }, "No matrix of weights starts or ends at this site."),
    );
  const ends = [tap.before.length ? null : "before", tap.after.length ? null : "after"];
  const none = ends.filter(Boolean).map((end) => `No weights ${end} it are pruned by this rule.`);
  return h(
    "section",
    {},
    h("h2", {}, "Connections that its labels keep"),
    h(
      "p",
      { class: "faint" },
      word("ANDC"),
      ` keeps a weight if both its ends recognise a label in common, here to the right: chosen on the training split at θ = ${atlas.run.threshold}. `,
      none.join(" "),
    ),
    h("div", { class: "panels" }, parts),
  );
}

async function link(atlas, tap, node, part, other, weight) {
  const what = part.kernels ? "kernel of norm" : "weight";
  const value = h("span", { class: "value" }, `${what} ${number(weight)}`);
  if (part.tap === null)
    return h("li", {}, h("a", { href: atlas.to.label(other) }, named(atlas.labels[other])), value);
  const words = `node ${other}`;
  const inside = atlas.taps.includes(part.tap)
    ? h("a", { href: atlas.to.node(part.tap, other) }, words)
    : words;
  const [own, others] = await Promise.all(
    [tap.name, part.tap].map((name) => values(atlas.part.train_diagonals[name])),
  );
  const width = Math.ceil(atlas.C / 8);
  const shared = atlas.labels.filter(
    (_, label) => bit(own, width, node, label) && bit(others, width, other, label),
  );
  return h(
    "li",
    {},
    inside,
    value,
    h(
      "span",
      { class: "shared" },
      shared.slice(0, 4).map((name, i) => [i ? ", " : "", named(name)]),
      shared.length > 4 && ` and ${shared.length - 4} more`,
    ),
  );
}

async function similar(atlas, tap, node) {
  const [at, other, cosine] = await Promise.all(
    [tap.similar.tap, tap.similar.node, tap.similar.cosine].map(values),
  );
  const K = tap.similar.node.shape[1];
  const across = at.some((place) => atlas.taps[place] !== tap.name);
  const where = across ? "at all sites of this page" : "at its own site";
  const items = Array.from({ length: K }, (_, r) => node * K + r).map((k) =>
    h(
      "li",
      {},
      h(
        "a",
        { href: atlas.to.node(atlas.taps[at[k]], other[k]) },
        `${atlas.taps[at[k]]} node ${other[k]}`,
      ),
      h("span", { class: "value" }, `cosine ${number(cosine[k])}`),
    ),
  );
  return h(
    "section",
    {},
    h("h2", {}, "Nodes most like it"),
    h(
      "p",
      { class: "faint" },
      `Whose SNP matrices point the same way (cosine: 1 the same up to a factor, 0 unrelated), ${where}.`,
    ),
    items.length
      ? h("ul", { class: "links columns" }, items)
      : h("p", {}, `It is the only one: ${plural(tap.D, "node")}.`),
  );
}
