// Arrays of the document: base64 of a zlib stream of shuffled bytes, see nodal/atlas/arrays.py.

const TYPES = {
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i2: Int16Array,
  f4: Float32Array,
};
const decoded = new WeakMap();

/** The values of an encoded array, decoded once; half floats become Float32Array. */
export function values(encoded) {
  if (!decoded.has(encoded)) decoded.set(encoded, decode(encoded));
  return decoded.get(encoded);
}

/** Several at once: {name: encoded} -> {name: values}. */
export async function allValues(parts) {
  const names = Object.keys(parts);
  const found = await Promise.all(names.map((name) => values(parts[name])));
  return Object.fromEntries(names.map((name, i) => [name, found[i]]));
}

async function decode({ dtype, data }) {
  const bytes = unshuffle(await inflate(bytesOf(data)), Number(dtype[1]));
  return dtype === "f2" ? halves(new Uint16Array(bytes.buffer)) : new TYPES[dtype](bytes.buffer);
}

export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function unshuffle(planes, width) {
  if (width === 1) return planes;
  const n = planes.length / width;
  const bytes = new Uint8Array(planes.length);
  for (let b = 0, from = 0; b < width; b++) {
    for (let i = 0, to = b; i < n; i++, to += width) bytes[to] = planes[from++];
  }
  return bytes;
}

let halfValues = null;

function halves(codes) {
  halfValues ??= Float32Array.from({ length: 65536 }, (_, code) => half(code));
  return Float32Array.from(codes, (code) => halfValues[code]);
}

function half(code) {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> 10) & 31;
  const fraction = code & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
