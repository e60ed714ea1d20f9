// The measurement of nodal/snp.py for one matrix: the same numbers to the last entry.
// Matrices are row-major, C x C: row true label, column output label. No DOM here.

/** S / max(S) > theta, in float32 as the library; all 0 where max(S) <= 0. */
export function binarize(snp, theta) {
  const largest = snp.reduce((a, b) => Math.max(a, b), -Infinity);
  const boolean = new Uint8Array(snp.length);
  if (!(largest > 0)) return boolean;
  const bound = Math.fround(theta);
  for (let k = 0; k < snp.length; k++) boolean[k] = Math.fround(snp[k] / largest) > bound ? 1 : 0;
  return boolean;
}

/** The cluster of each label, -1 where it is not on the diagonal; see `nodal.snp.clusters`. */
export function clusters(boolean, C) {
  const cluster = new Int32Array(C).fill(-1);
  let number = 0;
  for (let first = 0; first < C; first++) {
    if (!boolean[first * C + first] || cluster[first] >= 0) continue;
    const members = [];
    for (let label = first; label < C; label++) {
      if (!boolean[label * C + label] || cluster[label] >= 0) continue;
      if (members.every((m) => boolean[m * C + label] && boolean[label * C + m])) {
        members.push(label);
        cluster[label] = number;
      }
    }
    number += 1;
  }
  return cluster;
}

/** {n_clusters, labels, signal, noise, silent} of a Boolean matrix and its clusters. */
export function statistics(boolean, cluster) {
  const sizes = clusterSizes(cluster);
  const ones = boolean.reduce((a, b) => a + b, 0);
  const signal = sizes.reduce((sum, size) => sum + size * size, 0);
  return {
    n_clusters: sizes.length,
    labels: sizes.reduce((a, b) => a + b, 0),
    signal,
    noise: ones - signal,
    silent: ones === 0,
  };
}

export function clusterSizes(cluster) {
  const sizes = [];
  for (const number of cluster) if (number >= 0) sizes[number] = (sizes[number] ?? 0) + 1;
  return sizes;
}

/** The labels of each cluster, in ascending order. */
export function clusterMembers(cluster) {
  const members = [];
  cluster.forEach((number, label) => {
    if (number >= 0) (members[number] ??= []).push(label);
  });
  return members;
}

/** All labels, those of the first cluster first, those of no cluster last. */
export function orderByCluster(cluster) {
  const place = (label) => (cluster[label] >= 0 ? cluster[label] : Infinity);
  return Array.from(cluster, (_, label) => label).sort((a, b) => {
    const [p, q] = [place(a), place(b)];
    return p === q ? a - b : p < q ? -1 : 1;
  });
}
