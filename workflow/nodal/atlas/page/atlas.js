// The document as the views ask for it. Arrays are opened when first needed. No DOM here.

import { addresses } from "./address.js";
import { allValues, values } from "./arrays.js";
import { openField } from "./fields.js";

export const SITES = {
  input: "what queries, keys and values read",
  q: "queries",
  k: "keys",
  v: "values",
  heads: "the heads' attention-weighted values, side by side",
  proj: "the output of the attention's projection",
  mid: "what the feed-forward part reads",
  hidden: "the feed-forward part's hidden layer",
  ff: "the output of the feed-forward part",
  out: "the output of the block",
};

/** One network of the document, and what is said of all of them. */
export class Atlas {
  constructor(document, seedNumber = null) {
    this.document = document;
    this.labels = document.labels;
    this.C = document.labels.length;
    this.run = document.run;
    this.part = document.seeds.find((s) => s.seed === seedNumber) ?? document.seeds[0];
    this.seed = this.part.seed;
    this.taps = Object.keys(this.part.taps);
    const first = this.part === document.seeds[0];
    this.to = addresses(this.labels, first ? "" : `?seed=${this.seed}`);
    this.opened = new Map();
  }

  get seeds() {
    return this.document.seeds.map((s) => s.seed);
  }

  /** {block, site} of "block3.proj". */
  static place(tap) {
    const dot = tap.indexOf(".");
    return { block: Number(tap.slice(5, dot)), site: tap.slice(dot + 1) };
  }

  get blocks() {
    return [...new Set(this.document.layers.block)];
  }

  get sites() {
    return [...new Set(this.taps.map((tap) => Atlas.place(tap).site))];
  }

  get headBlocks() {
    return this.part.heads;
  }

  /** A tap's statistics, clusters and field, decoded. */
  open(tap) {
    if (!this.opened.has(tap)) this.opened.set(tap, this.read(tap));
    return this.opened.get(tap);
  }

  async read(tap) {
    const part = this.part.taps[tap];
    const [nodes, clusters, field] = await Promise.all([
      allValues(part.nodes),
      values(part.clusters),
      openField(part.field, this.C),
    ]);
    const D = part.clusters.shape[0];
    const perHead = this.headWidth(tap, D);
    return { ...part, name: tap, D, perHead, nodes, clusters, field };
  }

  /** Nodes of a head at a tap, null where nodes belong to no head. */
  headWidth(tap, D) {
    const { site } = Atlas.place(tap);
    return this.run.heads && ["q", "k", "v", "heads"].includes(site) ? D / this.run.heads : null;
  }

  /** Rows of the layer table of this seed. */
  layers() {
    const table = rows(this.document.layers);
    return table.filter((row) => row.seed === this.seed);
  }

  layer(tap) {
    const { block, site } = Atlas.place(tap);
    return this.layers().find((row) => row.block === block && row.site === site);
  }
}

/** {column: list} -> [{column: value}]. */
export function rows(columns) {
  const names = Object.keys(columns);
  return Array.from(columns[names[0]] ?? [], (_, i) =>
    Object.fromEntries(names.map((name) => [name, columns[name][i]])),
  );
}

/** The clusters of one node, -1 where a label is not on the diagonal. */
export function clustersOf(tap, node) {
  const C = tap.clusters.length / tap.D;
  return Int32Array.from(tap.clusters.subarray(node * C, (node + 1) * C), (c) => c - 1);
}

/** Bit `label` of row `node` of packed diagonals. */
export const bit = (bits, width, node, label) =>
  (bits[node * width + (label >> 3)] >> (7 - (label & 7))) & 1;
