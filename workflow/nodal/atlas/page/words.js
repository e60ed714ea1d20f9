// What the words of this page mean: beside a number as a hint, and all together at the start.

import { h } from "./dom.js";

export const WORDS = {
  node: "one coordinate of a layer's output; in a CNN a filter",
  site: "a place inside a block where nodes are read",
  field: "what one node alone adds to each output of the readout, all other nodes silenced",
  readout: "a linear classifier trained on a site with everything before it frozen",
  "SNP matrix":
    "single-nodal performance: a node's mean field, inputs of each true label in rows, output labels in columns",
  θ: "the share of a matrix's largest entry above which an entry counts as one",
  labels: "those a node recognises: their entry on the diagonal exceeds θ",
  clusters:
    "labels that a node recognises but cannot tell apart: all entries between them exceed θ",
  signal: "entries above θ within clusters",
  noise: "entries above θ outside of clusters",
  "signal / noise": "the ratio of the two; over a site, of their means",
  silent: "no entry of the matrix is positive",
  "permuted labels": "the same numbers with the true labels shuffled: what would come by chance",
  Q: "the mean over labels of the largest head's share of the nodes that know it",
  expert: "the head with the most nodes that know a label, on the training split",
  AUC: "how well an output tells inputs of its label from all others: 0.5 guessing, 1 perfect",
  ANDC: "applied nodal diagonal connection: a weight is kept if both its ends recognise a label in common",
  dilution: "the share of weights that pruning removes",
};

/** A word with its meaning as a hint. */
export const word = (name, shown = name) =>
  WORDS[name] ? h("abbr", { title: WORDS[name] }, shown) : shown;

export function wordsSection() {
  return h(
    "section",
    {},
    h("h2", {}, "The words"),
    h(
      "dl",
      { class: "words" },
      Object.entries(WORDS).map(([name, meaning]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, meaning)),
      ),
    ),
  );
}
