// An SNP matrix, its Boolean matrix, and that ordered by cluster: three pictures of one thing.

import { clustersOf } from "./atlas.js";
import { binarize, clusters, clusterSizes, orderByCluster, statistics } from "./clusters.js";
import { diverging, ink } from "./colours.js";
import { entryWords, framesOf, matrixPlot } from "./matrix.js";

export const FEW = 26; // labels; beyond it the ordered matrix shows the node's own ones alone

/**
 * A matrix at a theta: {boolean, cluster, numbers}. What the artifact says (`own`: {cluster,
 * numbers}, either may lack something) stands in the place of what is computed here.
 */
export function cut(matrix, C, theta, own = null) {
  const boolean = binarize(matrix, theta);
  const cluster = own?.cluster ?? clusters(boolean, C);
  return { boolean, cluster, numbers: { ...statistics(boolean, cluster), ...own?.numbers } };
}

/** The artifact's own clusters and numbers of a node. */
export function artifact(tap, node) {
  const names = ["n_clusters", "labels", "signal", "noise", "silent"];
  const numbers = Object.fromEntries(names.map((name) => [name, tap.nodes[name][node]]));
  return {
    cluster: clustersOf(tap, node),
    numbers: { ...numbers, silent: Boolean(numbers.silent) },
  };
}

/** Three plots of a matrix (C * C) and `at(cut, theta)` to draw them anew. */
export function matrixTriptych(names, matrix, first, { size = 376, what = "node" } = {}) {
  const C = names.length;
  const largest = matrix.reduce((a, b) => Math.max(a, b), 0) || 1;
  const share = (i, j) => matrix[i * C + j] / largest;
  const side = { width: size, axes: { x: "output label", y: "true label" } };
  const red = diverging();
  const says = (rows) => (i, j) =>
    entryWords(names[rows[i]], names[rows[j]], share(rows[i], rows[j]));
  const all = names.map((_, label) => label);
  const whole = matrixPlot({
    ...side,
    rows: names,
    columns: names,
    entry: share,
    colour: red,
    key: { low: "−1", high: "1", colour: (share) => red(2 * share - 1) },
    says: says(all),
    label: `SNP matrix of this ${what}, ${C} by ${C} labels`,
  });
  const boolean = matrixPlot({
    ...side,
    ...booleanPart(names, C, first),
    says: says(all),
    label: "its Boolean matrix",
  });
  const ordered = matrixPlot({
    ...side,
    ...orderedPart(names, C, first, says),
    label: "the same ordered by cluster",
  });
  const redraw = (now) => {
    boolean.redraw(booleanPart(names, C, now));
    ordered.redraw(orderedPart(names, C, now, says));
  };
  return { plots: [whole, boolean, ordered], redraw };
}

function booleanPart(names, C, { boolean }) {
  return { rows: names, columns: names, colour: ink(), entry: (i, j) => boolean[i * C + j] };
}

function orderedPart(names, C, { boolean, cluster }, says) {
  const order = orderByCluster(cluster);
  const shown = C <= FEW ? order : order.filter((label) => cluster[label] >= 0);
  const rows = shown.map((label) => names[label]);
  return {
    rows: rows.length ? rows : [""],
    columns: rows.length ? rows : [""],
    colour: ink(),
    entry: (i, j) => (shown.length ? boolean[shown[i] * C + shown[j]] : 0),
    index: (i) => shown[i],
    frames: framesOf(clusterSizes(cluster)),
    says: shown.length ? says(shown) : null,
  };
}

/** The three of a node, at the run's theta. */
export function snpTriptych(atlas, tap, node, options) {
  const matrix = tap.field.matrix(node);
  const now = cut(matrix, atlas.C, atlas.run.threshold, artifact(tap, node));
  return { matrix, now, ...matrixTriptych(atlas.labels, matrix, now, options) };
}
