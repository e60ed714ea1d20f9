// Saving what is shown: CSV of its numbers, SVG and PNG of its picture. Nothing leaves the page.

import { css, h } from "./dom.js";

const PAINTED = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-opacity",
  "fill-opacity",
  "opacity",
  "font-size",
  "font-family",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
];
const SCALE = 2; // pixels of a PNG for one of the page

/** Buttons for a figure. parts: {name, rows: () => [[...]], picture: () => svg or null}. */
export function saveButtons({ name, rows, picture }) {
  const button = (kind, act) =>
    h(
      "button",
      { type: "button", class: "save", title: `Save ${name} as ${kind}`, onclick: act },
      kind,
    );
  return h(
    "span",
    { class: "saves", role: "group", "aria-label": `Save ${name}` },
    button("CSV", () => download(`${name}.csv`, new Blob([csv(rows())], { type: "text/csv" }))),
    picture && button("SVG", () => download(`${name}.svg`, svgBlob(picture()))),
    picture && button("PNG", async () => download(`${name}.png`, await pngBlob(picture()))),
  );
}

/** Rows of cells -> CSV (RFC 4180). A cell that a spreadsheet would run as a formula is quoted. */
export function csv(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function download(name, blob) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name.replaceAll(/[^\w.-]+/g, "_") }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function svgBlob(svg) {
  const text = new XMLSerializer().serializeToString(standalone(svg));
  return new Blob([text], { type: "image/svg+xml" });
}

/** A copy that carries its own colours and background, and its canvas as a picture. */
export function standalone(svg) {
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of PAINTED) element.setAttribute(name, style.getPropertyValue(name));
    element.removeAttribute("class");
  });
  const { width, height } = svg.viewBox.baseVal;
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const make = (tag, attributes) => {
    const element = document.createElementNS(svg.namespaceURI, tag);
    Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
    return element;
  };
  const canvas = svg.parentNode?.querySelector("canvas");
  if (canvas) {
    const { x, y, width: w, height: hh } = JSON.parse(canvas.dataset.place);
    const image = make("image", {
      x,
      y,
      width: w,
      height: hh,
      href: canvas.toDataURL(),
      preserveAspectRatio: "none",
    });
    image.style.setProperty("image-rendering", "pixelated");
    copy.prepend(image);
  }
  copy.prepend(make("rect", { width, height, fill: css("surface") }));
  return copy;
}

async function pngBlob(svg) {
  const url = URL.createObjectURL(svgBlob(svg));
  const image = new Image();
  image.src = url;
  await image.decode();
  const { width, height } = svg.viewBox.baseVal;
  const canvas = h("canvas", { width: SCALE * width, height: SCALE * height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** A figure of the page: a heading, what it shows, a caption, and its buttons. */
export function figure({ title, body, caption, rows, picture, name, wide }) {
  return h(
    "figure",
    { class: wide ? "panel wide" : "panel" },
    h(
      "div",
      { class: "panel-head" },
      h("h3", {}, title),
      rows && saveButtons({ name: name ?? title, rows, picture }),
    ),
    body,
    caption && h("figcaption", {}, caption),
  );
}
