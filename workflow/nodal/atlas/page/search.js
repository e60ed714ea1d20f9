// Search by label, node or head: "tulip", "block3.proj 17", "node 17", "head 2.1", "head 1".

import { h, named } from "./dom.js";

const MOST = 12;

/** What a query finds: [{kind, words, href}], best first. No DOM here. */
export function find(query, atlas) {
  const text = query.trim().toLowerCase().replace(/^#/, "");
  if (!text) return [];
  return [...heads(text, atlas), ...nodes(text, atlas), ...labels(text, atlas)].slice(0, MOST);
}

function heads(text, atlas) {
  const match =
    text.match(/^(?:head[\s/]*)?(\d+)\.(\d+)$/) ??
    text.match(/^(?:block\s*(\d+)[\s.,]*)?head\s*(\d+)$/);
  if (!match || Number(match[2]) >= atlas.run.heads) return [];
  const head = Number(match[2]);
  return atlas.headBlocks
    .filter(({ block }) => match[1] === undefined || block === Number(match[1]))
    .map(({ block }) => ({
      kind: "head",
      words: `${block}.${head}`,
      href: atlas.to.head(block, head),
    }));
}

function nodes(text, atlas) {
  if (/\bhead\s*\d+/.test(text)) return [];
  const match =
    text.match(/^(?:block\s*(\d+)[\s.,/]*)?()node\s*(\d+)$/) ??
    text.match(/^block\s*(\d+)(?:\.(\w*))?(?:[\s/]*(?:node)?\s*(\d+))?$/) ??
    text.match(/^(?:block\s*)?(\d+)?[\s.]*([a-z]\w*)?[\s/.]*(?:node)?\s*(\d+)?$/);
  if (!match) return [];
  const [, block, site, node] = match;
  const taps = atlas.taps.filter((tap) => {
    const [b, name] = [tap.slice(5, tap.indexOf(".")), tap.slice(tap.indexOf(".") + 1)];
    return (block === undefined || b === block) && (!site || name.startsWith(site));
  });
  if (block === undefined && !site && node === undefined) return [];
  return taps.flatMap((tap) => {
    const D = atlas.part.taps[tap].clusters.shape[0];
    if (node === undefined) return [{ kind: "site", words: tap, href: atlas.to.site(tap) }];
    const found = { kind: "node", words: `${tap} node ${node}`, href: atlas.to.node(tap, node) };
    return Number(node) < D ? [found] : [];
  });
}

function labels(text, atlas) {
  const scored = atlas.labels.map((name, label) => {
    const at = name.toLowerCase().indexOf(text);
    return { name, label, score: at < 0 ? null : at === 0 ? name.length : 1000 + name.length };
  });
  return scored
    .filter((f) => f.score !== null)
    .sort((a, b) => a.score - b.score)
    .slice(0, MOST)
    .map(({ name, label }) => ({ kind: "label", words: name, href: atlas.to.label(label) }));
}

/** The search box: a combobox with a list, arrows and Enter. `atlas` is asked for on each use. */
export function searchBox(atlas) {
  const list = h("ul", { id: "found", role: "listbox", "aria-label": "Found", hidden: true });
  const input = h("input", {
    type: "search",
    placeholder: "Label, node or head",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "found",
    "aria-autocomplete": "list",
    "aria-label": "Search labels, nodes and heads",
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: "go",
  });
  let at = 0;
  const mark = (next) => {
    at = (next + list.children.length) % Math.max(1, list.children.length);
    [...list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", list.children[at]?.id ?? "");
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  };
  const go = (href) => {
    close();
    input.value = "";
    input.blur();
    location.hash = href;
  };
  const show = () => {
    const found = find(input.value, atlas());
    list.replaceChildren(
      ...found.map(({ kind, words, href }, i) =>
        h(
          "li",
          {
            role: "option",
            id: `found-${i}`,
            onpointerdown: (event) => {
              event.preventDefault();
              go(href);
            },
          },
          h("span", { class: "kind" }, kind),
          kind === "label" ? named(words) : words,
        ),
      ),
    );
    if (input.value.trim() && !found.length)
      list.replaceChildren(h("li", { class: "nothing" }, "Nothing found"));
    list.dataset.found = found.map((f) => f.href).join("\n");
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(0);
  };
  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const hrefs = (list.dataset.found ?? "").split("\n").filter(Boolean);
    if (event.key === "ArrowDown" || event.key === "ArrowUp")
      mark(at + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Enter" && hrefs[at]) go(hrefs[at]);
    else if (event.key === "Escape") {
      input.value = "";
      input.blur();
    } else return;
    event.preventDefault();
  });
  return h("div", { class: "search", role: "search" }, input, list);
}
