// The page: a header that stays, and below it the view that the address names.

import { parse, withTheta } from "./address.js";
import { Atlas } from "./atlas.js";
import { dark } from "./colours.js";
import { h } from "./dom.js";
import { searchBox } from "./search.js";
import { headsView, headView } from "./views_head.js";
import { labelsView, labelView } from "./views_label.js";
import { nodeView } from "./views_node.js";
import { pruningView } from "./views_pruning.js";
import { siteView } from "./views_site.js";
import { startView } from "./views_start.js";

const VIEWS = {
  start: startView,
  site: siteView,
  node: nodeView,
  label: labelView,
  labels: labelsView,
  head: headView,
  heads: headsView,
  pruning: pruningView,
  nowhere: async () => null,
};
const THEME = "nodal-atlas-theme";

const contents = JSON.parse(document.getElementById("document").textContent);
const opened = new Map();
let atlas = null;
let turn = 0;
let waiting = 0;

function atlasOf(seed) {
  const known = contents.seeds.some((each) => each.seed === seed) ? seed : contents.seeds[0].seed;
  if (!opened.has(known)) opened.set(known, new Atlas(contents, known));
  return opened.get(known);
}

async function show({ keepPlace = false } = {}) {
  const mine = ++turn;
  const started = performance.now();
  const address = parse(location.hash);
  atlas = atlasOf(address.seed);
  const main = document.querySelector("main");
  const view = (await VIEWS[address.view](atlas, address)) ?? nowhere();
  if (mine !== turn) return;
  const place = scrollY;
  main.replaceChildren(...view.filter(Boolean));
  header(address);
  const heading = main.querySelector("h1");
  document.title = `${heading.textContent} · ${contents.run.experiment} · nodal atlas`;
  heading.tabIndex = -1;
  if (!keepPlace && turn > 1) heading.focus({ preventScroll: true });
  scrollTo(0, keepPlace ? place : 0);
  main.dataset.shown = location.hash;
  main.dataset.took = (performance.now() - started).toFixed(1);
  step(waiting);
}

/** To the neighbour before (-1) or after (1); from a view on its way, once it stands. */
function step(by) {
  const main = document.querySelector("main");
  const stands = main.dataset.shown === location.hash;
  waiting = stands ? 0 : Math.max(-1, Math.min(1, waiting + by));
  if (!stands || by === 0) return false;
  const link = main.querySelector(`a[rel=${by < 0 ? "prev" : "next"}]`);
  link?.click();
  return link !== null;
}

/** A neighbour is looked at with the same theta. */
function keepTheta(event) {
  const link = event.target.closest("a[rel=prev], a[rel=next]");
  const { theta } = parse(location.hash);
  if (!link || theta === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  location.hash = withTheta(link.getAttribute("href"), theta);
}

const nowhere = () => [
  h("h1", {}, "Nothing here"),
  h(
    "p",
    {},
    "This atlas has nothing at this address. Search above, or ",
    h("a", { href: "#start" }, "go to the start"),
    ".",
  ),
];

function header(address) {
  const link = (view, href, text, group) =>
    h("a", { href, "aria-current": group.includes(address.view) ? "page" : null }, text);
  const links = [
    link("start", atlas.to.start(), "Start", ["start"]),
    link("labels", atlas.to.page("labels"), "Labels", ["labels", "label"]),
    atlas.headBlocks.length > 0 &&
      link("heads", atlas.to.page("heads"), "Heads", ["heads", "head"]),
    contents.pruning && link("pruning", atlas.to.page("pruning"), "Pruning", ["pruning"]),
  ];
  document.querySelector(".brand").setAttribute("href", atlas.to.start());
  document.querySelector(".pages").replaceChildren(...links.filter(Boolean));
  document.querySelector(".network").replaceChildren(...network(address));
  const seeds = document.querySelector(".seeds");
  seeds.replaceChildren(...(atlas.seeds.length > 1 ? [seedChoice()] : []));
}

/** Every site of this page, block by block, as links: where one is, and where to go. */
function network(address) {
  return atlas.blocks
    .map((block) => {
      const taps = atlas.taps.filter((tap) => Atlas.place(tap).block === block);
      return (
        taps.length > 0 &&
        h(
          "span",
          { class: "block" },
          h("span", { class: "block-name" }, block === atlas.blocks[0] ? `block ${block}` : block),
          taps.map((tap) =>
            h(
              "a",
              {
                href: atlas.to.site(tap),
                "aria-label": tap,
                "aria-current": address.tap === tap ? "true" : null,
              },
              Atlas.place(tap).site,
            ),
          ),
        )
      );
    })
    .filter(Boolean);
}

function seedChoice() {
  const choice = h(
    "select",
    {
      "aria-label": "Seed",
      onchange: () => {
        const [path, query = ""] = location.hash.split("?");
        const given = new URLSearchParams(query);
        if (Number(choice.value) === contents.seeds[0].seed) given.delete("seed");
        else given.set("seed", choice.value);
        location.hash = given.size ? `${path || "#start"}?${given}` : path || "#start";
      },
    },
    atlas.seeds.map((seed) => h("option", { value: seed }, `seed ${seed}`)),
  );
  choice.value = String(atlas.seed);
  return choice;
}

function theme(wanted) {
  if (wanted) document.documentElement.dataset.theme = wanted;
  try {
    if (wanted) localStorage.setItem(THEME, wanted);
    else document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? "";
  } catch {
    /* a page opened from a file may have no storage */
  }
  if (!document.documentElement.dataset.theme) delete document.documentElement.dataset.theme;
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea, .scroll");
  if (event.key === "/" && !typing) {
    document.querySelector(".search input").focus();
    event.preventDefault();
  } else if (!typing && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    if (step(event.key === "ArrowLeft" ? -1 : 1)) event.preventDefault();
  }
}

function begin() {
  theme();
  document.querySelector(".search-place").append(searchBox(() => atlas));
  const main = document.querySelector("main");
  main.addEventListener("click", keepTheta);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.querySelector(".theme").addEventListener("click", () => {
    theme(dark() ? "light" : "dark");
    show({ keepPlace: true });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    show({ keepPlace: true }),
  );
  addEventListener("hashchange", () => show());
  addEventListener("keydown", keys);
  show();
}

begin();
