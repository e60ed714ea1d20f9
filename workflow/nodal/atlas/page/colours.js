// Colour maps of the figures: RdBu and viridis as matplotlib has them, and their forms in the dark.

const RDBU = [
  "#053061",
  "#2166ac",
  "#4393c3",
  "#92c5de",
  "#d1e5f0",
  "#f7f7f7",
  "#fddbc7",
  "#f4a582",
  "#d6604d",
  "#b2182b",
  "#67001f",
];
const RDBU_DARK = [
  "#b3dcff",
  "#56b4e9",
  "#2b7fb5",
  "#1d4f73",
  "#1a2c3b",
  "#17191d",
  "#3a231b",
  "#73361f",
  "#b8512a",
  "#ef7d4b",
  "#ffd0b0",
];
const VIRIDIS = [
  "#440154",
  "#472d7b",
  "#3b528b",
  "#2c728e",
  "#21918c",
  "#28ae80",
  "#5ec962",
  "#addc30",
  "#fde725",
];

/** Is the page dark now, by its own switch or by the system's? */
export const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function lookup(anchors) {
  const stops = anchors.map(rgb);
  return (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const i = Math.min(Math.floor(at), stops.length - 2);
    return stops[i].map((from, k) => Math.round(from + (stops[i + 1][k] - from) * (at - i)));
  };
}

/** -1..1 -> [r, g, b]; red is positive. */
export const diverging = () => {
  const colour = lookup(dark() ? RDBU_DARK : RDBU);
  return (x) => colour((x + 1) / 2);
};
/** 0..1 -> [r, g, b]. */
export const sequential = () => lookup(VIRIDIS);
/** 0 or 1 -> [r, g, b], as ink on paper. */
export const ink = () => {
  const [paper, mark] = dark()
    ? [
        [23, 25, 29],
        [222, 224, 228],
      ]
    : [
        [255, 255, 255],
        [62, 64, 68],
      ];
  return (x) => (x ? mark : paper);
};

/** How the methods of pruning look: colour, marker and name, as in the figures. */
export const METHODS = {
  andc: ["var(--vermilion)", "circle", "ANDC"],
  magnitude: ["var(--blue)", "square", "magnitude"],
  wanda: ["var(--green)", "triangle", "Wanda"],
  wanda_matrix: ["var(--sky)", "triangle", "Wanda, whole matrix"],
  random_labels: ["var(--purple)", "diamond", "ANDC, random labels"],
  random: ["var(--grey)", "down", "random"],
};
