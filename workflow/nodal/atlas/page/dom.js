// Elements from names, attributes and children. Text only ever becomes a text node.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style")
      Object.entries(value).forEach(([k, v]) => element.style.setProperty(k, v));
    else element.setAttribute(name, value === true ? "" : value);
  }
  const usable = children
    .flat(Infinity)
    .filter((c) => c !== null && c !== undefined && c !== false);
  element.append(...usable.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** An HTML element: h("a", {href: "#"}, "text", child). `on...` attributes are listeners. */
export const h = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const s = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** A name that may hold anything, shown as it is: any script, direction or line break. */
export const named = (text) => h("bdi", { class: "name" }, text === "" ? "(empty)" : text);

/** A name on one line of at most n characters, for axes; the whole is in its title. */
export function short(text, n) {
  const line = String(text).replaceAll(/\s*[\r\n]+\s*/g, " ↵ ");
  const characters = Array.from(line);
  return characters.length > n ? characters.slice(0, n - 1).join("") + "…" : line;
}

/** At most `wanted` pixels of width, and no more than a panel of this window has. */
export const room = (wanted) => Math.min(wanted, document.documentElement.clientWidth - 64);

/** A colour of the page's palette, by the name of its CSS variable. */
export const css = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const counts = new Intl.NumberFormat("en");

/** Numbers as the page writes them; a dash where there is none. */
export const number = (x) =>
  x === null || x === undefined || Number.isNaN(x)
    ? "–"
    : x === "infinite" || x === Infinity
      ? "∞"
      : typeof x === "string"
        ? x
        : Number.isInteger(x)
          ? counts.format(x)
          : (Math.abs(x) < 1e-4 ? x.toExponential(1) : digits.format(x)).replaceAll("-", "−");
export const percent = (x) =>
  Number.isFinite(x) ? `${(100 * x).toFixed(1)}%`.replace("-", "−") : "–";
export const plural = (n, one, many = `${one}s`) => `${counts.format(n)} ${n === 1 ? one : many}`;
