// Addresses: what stands behind the # in the page's address, and back. No DOM here.
//
//   #block3.proj/node17?theta=0.4   #block3.proj   #label/tulip   #head/2.1   #heads   #pruning

/** "#block3.proj/node17?seed=1" -> {view, tap, node, ..., theta, seed}. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const given = new URLSearchParams(query);
  const found = { ...place(path), seed: null, theta: null };
  if (/^\d+$/.test(given.get("seed") ?? "")) found.seed = Number(given.get("seed"));
  const theta = Number.parseFloat(given.get("theta"));
  if (theta >= 0 && theta < 1) found.theta = theta;
  return found;
}

function place(path) {
  if (path === "" || path === "start") return { view: "start" };
  if (["labels", "heads", "pruning"].includes(path)) return { view: path };
  let match = path.match(/^(block\d+)\.([^/]+)\/node(\d+)$/);
  if (match)
    return { view: "node", tap: `${match[1]}.${decode(match[2])}`, node: Number(match[3]) };
  match = path.match(/^head\/(\d+)\.(\d+)$/);
  if (match) return { view: "head", block: Number(match[1]), head: Number(match[2]) };
  match = path.match(/^label\/(?:(\d+)\/)?([^/]*)$/);
  if (match) {
    return { view: "label", name: decode(match[2]), label: match[1] ? Number(match[1]) : null };
  }
  match = path.match(/^(block\d+)\.([^/]+)$/);
  return match ? { view: "site", tap: `${match[1]}.${decode(match[2])}` } : { view: "nowhere" };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An address with a theta; null takes it away. */
export function withTheta(hash, theta) {
  const [path, query = ""] = hash.split("?");
  const given = new URLSearchParams(query);
  if (theta === null) given.delete("theta");
  else given.set("theta", String(theta));
  return given.size ? `${path}?${given}` : path;
}

/** Addresses as others have them, within one seed: `to = addresses(labels, suffix)`. */
export function addresses(labels, suffix = "") {
  const first = new Map();
  labels.forEach((name, label) => first.has(name) || first.set(name, label));
  const encode = (text) => encodeURIComponent(text.toWellFormed ? text.toWellFormed() : text);
  return {
    start: () => `#start${suffix}`,
    page: (name) => `#${name}${suffix}`,
    site: (tap) => `#${tap}${suffix}`,
    node: (tap, node) => `#${tap}/node${node}${suffix}`,
    head: (block, head) => `#head/${block}.${head}${suffix}`,
    label: (label) => {
      const name = labels[label];
      const number = first.get(name) === label ? "" : `${label}/`;
      return `#label/${number}${encode(name)}${suffix}`;
    },
  };
}
