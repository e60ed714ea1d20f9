// From what the page holds of a tap to the SNP matrix of one node, or of a head. No DOM here.

import { values } from "./arrays.js";

/** A tap's `field` of the document -> {form, scale, matrix(node), held(node)}. */
export async function openField(field, C) {
  return field.form === "factors" ? openFactors(field, C) : openEntries(field, C);
}

async function openFactors(field, C) {
  const [means, weights, scale] = await Promise.all(
    [field.means, field.weights, field.scale].map(values),
  );
  const matrix = (node) =>
    outer(means.subarray(node * C, (node + 1) * C), weights.subarray(node * C, (node + 1) * C));
  return { form: "factors", scale, matrix, held: () => true };
}

/** The outer product of two float32 vectors, each entry rounded to float32. */
export function outer(means, weights) {
  const C = means.length;
  const product = new Float32Array(C * C);
  for (let i = 0, k = 0; i < C; i++) {
    for (let j = 0; j < C; j++, k++) product[k] = means[i] * weights[j];
  }
  return product;
}

async function openEntries(field, C) {
  const names = ["held", "count", "place", "value", "scale"];
  const [held, count, place, value, scale] = await Promise.all(names.map((n) => values(field[n])));
  const start = new Uint32Array(count.length + 1);
  for (let node = 0; node < count.length; node++) start[node + 1] = start[node] + count[node];
  const matrix = (node) => {
    const dense = new Float32Array(C * C);
    for (let k = start[node]; k < start[node + 1]; k++) dense[place[k]] = value[k];
    return dense;
  };
  return { form: "entries", above: field.above, scale, matrix, held: (node) => held[node] === 1 };
}

/** The sum of the SNP matrices of some nodes, in their own units. */
export function sumOfMatrices(field, nodes, C) {
  const sum = new Float64Array(C * C);
  for (const node of nodes) {
    const matrix = field.matrix(node);
    const scale = field.scale[node];
    for (let k = 0; k < sum.length; k++) sum[k] += scale * matrix[k];
  }
  return Float32Array.from(sum);
}
