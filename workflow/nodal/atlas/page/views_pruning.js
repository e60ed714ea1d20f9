// Accuracy against dilution, for every method and scope; seeds as a band, free dilution marked.

import { rows } from "./atlas.js";
import { lineChart } from "./chart.js";
import { METHODS } from "./colours.js";
import { h, number, percent } from "./dom.js";
import { figure } from "./save.js";
import { dataTable } from "./table.js";

const MEASURES = { accuracy_tuned: "after fine-tuning", accuracy_pruned: "right after pruning" };

export async function pruningView(atlas) {
  const { pruning } = atlas.document;
  if (!pruning) return null;
  const all = rows(pruning.rows);
  const scopes = [...new Set(all.map((row) => row.scope))];
  const charts = h("div", { class: "panels charts" });
  const draw = (scope) => {
    const shown = all.filter((row) => row.scope === scope);
    const known = Object.keys(MEASURES).filter((name) =>
      shown.some((row) => typeof row[name] === "number"),
    );
    const missing = !known.includes("accuracy_tuned");
    charts.replaceChildren(
      ...known.map((name) => chart(shown, name, scope, pruning)),
      missing ? h("p", { class: "faint" }, "No fine-tuning followed in this scope.") : "",
    );
  };
  const choice = h(
    "select",
    { id: "scope", onchange: () => draw(choice.value) },
    scopes.map((scope) => h("option", { value: scope }, scope.replace(/^block(\d+)/, "block $1"))),
  );
  draw(scopes[0]);
  return [
    h("h1", {}, "Pruning"),
    h(
      "p",
      { class: "lead" },
      "Which weights can go? ANDC keeps a weight if the nodes at its ends recognise a label in common. Every other method is a control that keeps as many weights of each matrix: the largest ones, those of the largest weight times activation (Wanda), some at random, or ANDC's own with labels drawn at random.",
    ),
    h("p", {}, h("label", { for: "scope" }, "What is pruned at once "), choice),
    charts,
    free(pruning),
    table(all),
  ];
}

/** In the order of the figures' legend, unknown ones last. */
const methodsOf = (list) => {
  const found = new Set(list.map((row) => row.method));
  return [...new Set([...Object.keys(METHODS), ...found])].filter((method) => found.has(method));
};

const keyOf = (row) => row.target ?? `theta ${row.threshold}`;

function curve(shown, method, measure) {
  const own = shown.filter((row) => row.method === method && typeof row[measure] === "number");
  const keys = [...new Set(own.map(keyOf))];
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  return keys
    .map((key) => {
      const group = own.filter((row) => keyOf(row) === key);
      const y = group.map((row) => row[measure]);
      const x = mean(group.map((row) => row.dilution));
      const range =
        y.length > 1
          ? ` [${percent(Math.min(...y))}, ${percent(Math.max(...y))}] over ${y.length} seeds`
          : "";
      return {
        x,
        y: mean(y),
        low: Math.min(...y),
        high: Math.max(...y),
        says: `${METHODS[method]?.[2] ?? method}: ${percent(x)} of the weights removed, accuracy ${percent(mean(y))}${range}`,
      };
    })
    .sort((a, b) => a.x - b.x);
}

function chart(shown, measure, scope, pruning) {
  const methods = methodsOf(shown);
  const series = methods.map((method) => {
    const [colour, marker, name] = METHODS[method] ?? ["var(--ink)", "circle", method];
    return { name, colour, marker, points: curve(shown, method, measure) };
  });
  const y = series.flatMap((each) => each.points.flatMap((p) => [p.low, p.high]));
  const dense = shown.map((row) => row.accuracy_dense).filter(Number.isFinite);
  const level = dense.reduce((a, b) => a + b, 0) / dense.length;
  const low = Math.max(0, Math.min(...y, level) - 0.03);
  const marks = [{ y: level, label: "dense network" }];
  if (measure === "accuracy_tuned" && scope === "all") {
    const own = rows(pruning.free)
      .filter((row) => row.method === "andc")
      .map((row) => row.free)
      .filter(Number.isFinite);
    if (own.length)
      marks.push({ x: own.reduce((a, b) => a + b, 0) / own.length, colour: "var(--vermilion)" });
  }
  const { element, svg } = lineChart({
    series,
    marks,
    label: `Accuracy against dilution, ${MEASURES[measure]}`,
    width: 580,
    height: 330,
    x: {
      label: "dilution (share of weights removed)",
      domain: [0, 1],
      format: (v) => `${Math.round(100 * v)}%`,
    },
    y: {
      label: "test accuracy",
      domain: [low, Math.min(1, Math.max(...y, level) + 0.02)],
      format: (v) => `${Math.round(100 * v)}%`,
    },
  });
  const names = ["seed", "method", "scope", "target", "threshold", "dilution", measure];
  return figure({
    title: MEASURES[measure].replace(/^./, (c) => c.toUpperCase()),
    body: element,
    picture: () => svg,
    name: `pruning_${scope}_${measure}`,
    rows: () => [names, ...shown.map((row) => names.map((n) => row[n]))],
    caption: `Bands: range over seeds.${marks.length > 1 ? " Dashed upright line: the largest dilution ANDC has for free." : ""}`,
  });
}

function free(pruning) {
  const all = rows(pruning.free);
  const methods = methodsOf(all);
  const seeds = [...new Set(all.map((row) => row.seed))];
  if (!all.length) return null;
  const of = (method, seed) => all.find((row) => row.method === method && row.seed === seed);
  const words = (row) => (row ? [row.censored === true ? "≥ " : "", percent(row.free)] : "–");
  return h(
    "section",
    {},
    h("h2", {}, "Dilution for free"),
    h(
      "p",
      { class: "faint" },
      `The largest dilution whose accuracy after fine-tuning is within ${number(pruning.margin)} points of the better of the dense network and the dense network tuned alike.`,
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Free dilution" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "method"),
            seeds.map((s) => h("th", { scope: "col", class: "numeric" }, `seed ${s}`)),
          ),
        ),
        h(
          "tbody",
          {},
          methods.map((m) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, METHODS[m]?.[2] ?? m),
              seeds.map((s) => h("td", { class: "numeric" }, words(of(m, s)))),
            ),
          ),
        ),
      ),
    ),
  );
}

function table(all) {
  const plain = (key, title) => ({ key, title, value: (r) => r[key] });
  const share = (key, title) => ({
    key,
    title,
    numeric: true,
    value: (r) => r[key],
    cell: (r) => percent(r[key]),
  });
  const columns = [
    { ...plain("seed", "seed"), numeric: true },
    { key: "method", title: "method", value: (r) => METHODS[r.method]?.[2] ?? r.method },
    plain("scope", "scope"),
    ...(all[0]?.target === undefined ? [] : [share("target", "target")]),
    { ...plain("threshold", "θ"), numeric: true, cell: (r) => number(r.threshold) },
    share("dilution", "dilution"),
    share("accuracy_pruned", "right after"),
    share("accuracy_tuned", "after tuning"),
  ];
  return h(
    "section",
    {},
    h("h2", {}, "All of it, as a table"),
    dataTable({ name: "pruning", columns, rows: all }).element,
  );
}
