// The claims table in plain words: what was claimed, how far it held, and by which rule.

import { rows } from "./atlas.js";
import { intervalPlot } from "./chart.js";
import { h, number, plural } from "./dom.js";
import { saveButtons } from "./save.js";

const VERDICTS = ["supported", "inconclusive", "not supported"];
const SIGNS = { supported: "✓", inconclusive: "~", "not supported": "✗", "not applicable": "–" };
const PAPER = {
  1: "A node recognises a few small clusters of labels",
  2: "Along the blocks the clusters sharpen",
  3: "CNNs learn in the same way",
  4: "What nodes recognise in common says which weights matter",
  5: "Heads divide the labels among themselves",
};
const JUDGED = (claim) => claim.verdict !== "not applicable";

export function claimsSection({ document, run }) {
  const all = rows(document.claims);
  const rest = all.filter((claim) => !JUDGED(claim));
  const names = Object.keys(document.claims);
  return h(
    "section",
    {},
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, "What came of the paper's claims"),
      saveButtons({
        name: "claims",
        rows: () => [names, ...all.map((claim) => names.map((name) => claim[name]))],
      }),
    ),
    h("p", {}, counted(all), " ", meaning(all, run)),
    table(all.filter(JUDGED)),
    rest.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `${plural(rest.length, "claim")} that this run has nothing to say about`),
        table(rest),
      ),
  );
}

function counted(all) {
  const found = VERDICTS.map((verdict) => [
    verdict,
    all.filter((claim) => claim.verdict === verdict).length,
  ]).filter(([, n]) => n);
  return [found.map(([verdict, n], i) => [i ? ", " : "", h("strong", {}, n), ` ${verdict}`]), "."];
}

function meaning(all, { pilots }) {
  const seeds = Math.max(0, ...all.map((claim) => claim.seeds));
  return [
    "Each claim is a number for each seed, and a rule. ",
    pilots
      ? "Among these seeds are pilots, looked at before the rules were fixed. "
      : "The rules are in docs/claims.md, with what was looked at before they were fixed. ",
    `It is supported if the whole 95% interval over ${plural(seeds, "seed")} meets the rule, not supported if the whole of it fails, and inconclusive if the bound lies within`,
    seeds < 3 ? ": few seeds make wide intervals." : ".",
  ];
}

function table(claims) {
  const groups = Object.groupBy(claims, (claim) => claim.claim.split(".")[0]);
  const titles = ["Verdict", "Claim", "Against the rule", "Mean and 95% interval"];
  return h(
    "table",
    { class: "claims", role: "table" },
    h("caption", { class: "unseen" }, "Claims and their verdicts"),
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        titles.map((title) => h("th", { scope: "col", role: "columnheader" }, title)),
        h("th", { scope: "col", role: "columnheader", class: "numeric" }, "Rule"),
      ),
    ),
    Object.entries(groups).map(([paper, list]) =>
      h(
        "tbody",
        { role: "rowgroup" },
        h(
          "tr",
          { class: "group", role: "row" },
          h("th", { colspan: 5, scope: "rowgroup", role: "rowheader" }, PAPER[paper] ?? paper),
        ),
        list.map(row),
      ),
    ),
  );
}

function row(claim) {
  const bound = Number(claim.rule.split(" ").at(-1));
  const end = (x) => (typeof x === "string" ? (x.startsWith("-") ? "−∞" : "∞") : number(x));
  const cell = (attributes, ...children) => h("td", { role: "cell", ...attributes }, children);
  const judged = JUDGED(claim);
  return h(
    "tr",
    { role: "row" },
    cell(
      { class: "verdict-cell" },
      h(
        "span",
        { class: `verdict ${claim.verdict.replaceAll(" ", "-")}` },
        h("span", { "aria-hidden": "true" }, SIGNS[claim.verdict] ?? ""),
        claim.verdict,
      ),
    ),
    cell(
      { class: "statement" },
      claim.statement.replace(/^./u, (first) => first.toUpperCase()),
      claim.control &&
        h("abbr", { class: "tag", title: "It could refute the claims above it" }, "control"),
      h("span", { class: "id", title: "Its rule is in docs/claims.md" }, claim.claim),
    ),
    cell({ class: "interval-cell" }, judged && intervalPlot({ ...claim, bound })),
    cell(
      { class: "range-cell" },
      judged && [
        number(claim.mean),
        h("span", { class: "faint" }, ` [${end(claim.low)}, ${end(claim.high)}]`),
      ],
    ),
    cell({ class: "numeric rule-cell" }, claim.rule.replace("-", "−")),
  );
}
