// The slider for theta, and what a matrix comes to at its place.

import { withTheta } from "./address.js";
import { clusterMembers } from "./clusters.js";
import { h, named, number } from "./dom.js";
import { word } from "./words.js";

/** A slider from `least` to 0.95. change(theta) is called while it moves; where it comes to rest is
 * in the address, which browsers let nobody write at each step. */
export function thetaSlider({ atlas, theta, least = 0, change }) {
  const start = Math.max(theta ?? atlas.run.threshold, least);
  const output = h("output", { for: "theta", class: "theta" });
  const own = h(
    "button",
    { type: "button", onclick: () => set(atlas.run.threshold) },
    `back to ${atlas.run.threshold}`,
  );
  const input = h("input", {
    id: "theta",
    type: "range",
    min: least,
    max: 0.95,
    step: 0.01,
    value: start,
  });
  const tell = (value) => {
    output.textContent = value.toFixed(2);
    own.disabled = value === atlas.run.threshold;
  };
  const set = (value) => {
    input.value = value;
    tell(value);
    change(value);
  };
  const keep = () => remember(Number(input.value), atlas.run.threshold);
  input.addEventListener("input", () => set(Number(input.value)));
  input.addEventListener("change", keep);
  own.addEventListener("click", keep);
  tell(start);
  const element = h(
    "div",
    { class: "slider" },
    h("label", { for: "theta" }, word("θ")),
    input,
    output,
    own,
  );
  return { element, theta: start };
}

function remember(theta, own) {
  const main = document.querySelector("main");
  const stands = main.dataset.shown === location.hash;
  history.replaceState(null, "", withTheta(location.hash, theta === own ? null : theta));
  if (stands) main.dataset.shown = location.hash;
}

/** Clusters, labels, signal and noise as figures. */
export function numbersRow(numbers, of, source) {
  const ratio = numbers.noise ? numbers.signal / numbers.noise : numbers.signal ? Infinity : null;
  const parts = [
    ["clusters", numbers.n_clusters],
    ["labels", numbers.labels],
    ["signal", numbers.signal],
    ["noise", numbers.noise],
    ["signal / noise", ratio],
  ];
  return [
    h(
      "dl",
      { class: "numbers" },
      parts.map(([name, value]) =>
        h("div", { "data-name": name }, h("dt", {}, word(name)), h("dd", {}, number(value))),
      ),
    ),
    h(
      "p",
      { class: "faint" },
      numbers.silent ? `This ${of} is silent: its matrix has no positive entry. ` : "",
      source,
    ),
  ];
}

/** The labels of each cluster as links. */
export function clusterList(atlas, cluster) {
  const members = clusterMembers(cluster);
  if (!members.length) return h("p", {}, "No label is on the diagonal at this θ.");
  return h(
    "ol",
    { class: "clusters" },
    members.map((labels) =>
      h(
        "li",
        {},
        labels.map((label) =>
          h("a", { class: "chip", href: atlas.to.label(label) }, named(atlas.labels[label])),
        ),
      ),
    ),
  );
}
