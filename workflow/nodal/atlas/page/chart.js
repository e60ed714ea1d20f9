// Charts as SVG: lines with bands, points on bands, histograms and intervals.

import { h, number, room, s } from "./dom.js";

const MARKERS = {
  circle: (x, y) => s("circle", { cx: x, cy: y, r: 3.6 }),
  square: (x, y) => s("rect", { x: x - 3.2, y: y - 3.2, width: 6.4, height: 6.4 }),
  triangle: (x, y) => s("path", { d: `M${x} ${y - 4.2}l4 7h-8z` }),
  down: (x, y) => s("path", { d: `M${x} ${y + 4.2}l4-7h-8z` }),
  diamond: (x, y) => s("path", { d: `M${x} ${y - 4.6}l4.2 4.6-4.2 4.6-4.2-4.6z` }),
};

/** Places on a scale: round steps from low to high. */
export function ticks(low, high, about = 5) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / about));
  const step = [1, 2, 5, 10].map((m) => m * power).find((each) => span / each <= about + 0.5);
  const first = Math.ceil(low / step - 1e-9);
  const places = [];
  for (let k = first; k * step <= high + 1e-9 * span; k++)
    places.push(Number((k * step).toPrecision(12)));
  return places;
}

const scale =
  ([low, high], [from, to]) =>
  (v) =>
    from + ((v - low) / (high - low || 1)) * (to - from);

function frame({ width: wanted = 376, height = 280, x, y, label }) {
  const width = room(wanted);
  const area = { left: 52, right: width - 20, top: 12, bottom: height - 42 };
  const sx = scale(x.domain, [area.left, area.right]);
  const sy = scale(y.domain, [area.bottom, area.top]);
  const format = (axis) => axis.format ?? number;
  const svg = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "chart" },
    (y.ticks ?? ticks(...y.domain)).map((v) => [
      s("line", { x1: area.left, x2: area.right, y1: sy(v), y2: sy(v), class: "grid" }),
      s(
        "text",
        {
          x: area.left - 6,
          y: sy(v),
          "text-anchor": "end",
          "dominant-baseline": "central",
          class: "tick",
        },
        format(y)(v),
      ),
    ]),
    (x.ticks ?? ticks(...x.domain)).map((v) =>
      s(
        "text",
        { x: sx(v), y: area.bottom + 16, "text-anchor": "middle", class: "tick" },
        format(x)(v),
      ),
    ),
    s("line", { x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom, class: "base" }),
    s(
      "text",
      { x: (area.left + area.right) / 2, y: height - 6, "text-anchor": "middle", class: "axis" },
      x.label,
    ),
    s(
      "text",
      {
        x: 12,
        y: (area.top + area.bottom) / 2,
        transform: `rotate(-90 12 ${(area.top + area.bottom) / 2})`,
        "text-anchor": "middle",
        class: "axis",
      },
      y.label,
    ),
  );
  return { svg, sx, sy, area };
}

/**
 * series: [{name, colour, marker, line, points: [{x, y, low, high, says}]}], low and high a band.
 * marks: [{y or x, label}] reference lines. Returns {element, svg}; values on hover and on focus.
 */
export function lineChart({ series, x, y, marks = [], label, width, height }) {
  const { svg, sx, sy, area } = frame({ x, y, label, width, height });
  const says = h("output", { class: "says", "aria-live": "polite" });
  for (const mark of marks) {
    svg.append(
      ...(mark.y === undefined
        ? [
            s("line", {
              x1: sx(mark.x),
              x2: sx(mark.x),
              y1: area.top,
              y2: area.bottom,
              class: "mark",
              stroke: mark.colour,
            }),
          ]
        : [
            s("line", {
              x1: area.left,
              x2: area.right,
              y1: sy(mark.y),
              y2: sy(mark.y),
              class: "mark",
            }),
            s(
              "text",
              { x: area.right, y: sy(mark.y) - 5, "text-anchor": "end", class: "tick" },
              mark.label,
            ),
          ]),
    );
  }
  for (const { colour, points, line = true } of series) {
    const known = points.filter((p) => Number.isFinite(p.y));
    const banded = known.filter((p) => Number.isFinite(p.low));
    const outline = [
      ...banded.map((p) => [p.x, p.high]),
      ...banded.toReversed().map((p) => [p.x, p.low]),
    ];
    if (outline.length > 2) {
      svg.append(
        s("polygon", {
          points: outline.map(([a, b]) => `${sx(a)},${sy(b)}`).join(" "),
          fill: colour,
          "fill-opacity": 0.15,
        }),
      );
    }
    if (line)
      svg.append(
        s("polyline", {
          points: known.map((p) => `${sx(p.x)},${sy(p.y)}`).join(" "),
          fill: "none",
          stroke: colour,
          "stroke-width": 1.8,
        }),
      );
  }
  for (const { name, colour, marker = "circle", points } of series) {
    for (const point of points.filter((p) => Number.isFinite(p.y))) {
      const words = point.says ?? `${name}: ${number(point.x)}, ${number(point.y)}`;
      const tell = () => says.replaceChildren(words);
      svg.append(
        s(
          "g",
          {
            fill: colour,
            tabindex: "0",
            role: "img",
            "aria-label": words,
            class: "point",
            onpointerenter: tell,
            onfocus: tell,
          },
          s("title", {}, words),
          MARKERS[marker](sx(point.x), sy(point.y)),
          s("circle", { cx: sx(point.x), cy: sy(point.y), r: 9, "fill-opacity": 0, class: "halo" }),
        ),
      );
    }
  }
  return { element: h("div", { class: "plot" }, svg, legend(series), says), svg };
}

export function legend(series) {
  return h(
    "ul",
    { class: "legend" },
    series
      .filter((each) => each.name)
      .map(({ name, colour, marker = "circle" }) =>
        h(
          "li",
          {},
          s(
            "svg",
            { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true", fill: colour },
            MARKERS[marker](6, 6),
          ),
          name,
        ),
      ),
  );
}

/** Whole numbers of nodes against a null's: bars, and the null's outline as if of as many nodes. */
export function histogram({ real, nulls, x, label }) {
  const largest = Math.max(1, ...real, ...nulls);
  const step = Math.max(1, Math.ceil((largest + 1) / 24));
  const bins = Math.floor(largest / step) + 1;
  const shares = (list) => {
    const found = new Float64Array(bins);
    for (const v of list) found[Math.floor(v / step)] += 1 / list.length;
    return found;
  };
  const [own, null_] = [shares(real), shares(nulls)];
  const top = Math.max(...own, ...null_) * 1.05;
  const domain = [-step / 2, bins * step - step / 2];
  const { svg, sx, sy, area } = frame({
    width: 270,
    height: 180,
    label,
    x: {
      label: x,
      domain,
      ticks: ticks(0, (bins - 1) * step, 5).filter((v) => Number.isInteger(v)),
    },
    y: {
      label: "share of nodes",
      domain: [0, top],
      ticks: ticks(0, top, 3),
      format: (v) => `${Math.round(100 * v)}%`,
    },
  });
  const gap = Math.min(2, (sx(step) - sx(0)) / 6);
  own.forEach((share, i) => {
    const [from, to] = [sx((i - 0.5) * step) + gap, sx((i + 0.5) * step) - gap];
    svg.append(
      s(
        "rect",
        {
          x: from,
          y: sy(share),
          width: Math.max(0.5, to - from),
          height: area.bottom - sy(share),
          class: "bar",
        },
        s(
          "title",
          {},
          `${i * step}${step > 1 ? ` to ${(i + 1) * step - 1}` : ""}: ${(100 * share).toFixed(1)}% of nodes, ${(100 * null_[i]).toFixed(1)}% with permuted labels`,
        ),
      ),
    );
  });
  const outline = Array.from(
    null_,
    (share, i) => `${sx((i - 0.5) * step)},${sy(share)} ${sx((i + 0.5) * step)},${sy(share)}`,
  );
  svg.append(s("polyline", { points: outline.join(" "), class: "null" }));
  const table = Array.from(own, (share, i) => [i * step, share, null_[i]]);
  return {
    element: h("div", { class: "plot" }, svg),
    svg,
    rows: [[x, "share of nodes", "with permuted labels"], ...table],
  };
}

/** An interval and its mean on a line that also holds the bound of a rule. */
export function intervalPlot({ mean, low, high, bound, verdict }) {
  const finite = [mean, low, high, bound, 0].filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const pad = 0.12 * (most - least || 1);
  const sx = scale([least - pad, most + pad], [0, 140]);
  const end = (v, side) => (Number.isFinite(v) ? sx(v) : side);
  return s(
    "svg",
    {
      viewBox: "0 0 140 18",
      class: `interval ${verdict.replaceAll(" ", "-")}`,
      "aria-hidden": "true",
    },
    s("line", { x1: sx(bound), x2: sx(bound), y1: 1, y2: 17, class: "bound" }),
    s("line", { x1: end(low, 0), x2: end(high, 140), y1: 9, y2: 9, class: "range" }),
    Number.isFinite(mean) && s("circle", { cx: sx(mean), cy: 9, r: 4 }),
  );
}
