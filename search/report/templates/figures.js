// Plotly, unpacked into a script of our own.
const library = element("script");
library.nonce = $("#data").nonce;
library.textContent = await unpack($("#plotly").textContent);
document.head.append(library);
held.contentDocument.close();
held.remove();

const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const theme = () => {
  const own = getComputedStyle(document.documentElement);
  const [ink, line, paper] = printing ? ["#000", "#ccc", "#fff"] :
    ["--ink", "--line", "--paper"].map((name) => own.getPropertyValue(name).trim());
  return { ink, line, paper };
};
// On an axis that counts, whose first tick stands at 0: whole numbers alone, ten at most, in a small figure four.
const whole = (span, most = 10) => {
  for (let decade = 1; ; decade *= 10)
    for (const step of [1, 2, 5]) if (span / (step * decade) <= most) return step * decade;
};
const counts = (axis) => axis.tick0 === 0 && axis.type !== "log";
// On a logarithmic axis: 1, 2, 5 in every decade, fewer where there are many, as plain numbers.
const ticks = (low, high) => {
  const steps = high - low > 3 ? [1] : high - low > 0.9 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const found = [];
  for (let decade = Math.floor(low) - 1; decade <= Math.ceil(high) + 1; decade++)
    for (const step of steps) found.push(Number((step * 10 ** decade).toPrecision(3)));
  const within = found.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  if (within.length < 2) return { tickmode: "auto", tickvals: null, ticktext: null, exponentformat: "none", nticks: 6 };
  return { tickmode: "array", tickvals: found, ticktext: found.map((value) => value < 1e-3 || value >= 1e5 ? value.toExponential(0) : String(value)) };
};
const reach = (traces, side) => {
  const shown = traces.filter((trace) => trace.visible !== "legendonly");
  const values = shown.flatMap((trace) => trace[side] || []).filter((value) => typeof value === "number" && value > 0);
  return values.length ? [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))] : null;
};
const logarithmic = (traces, side) => {
  const found = reach(traces, side);
  if (!found) return {};
  const [low, high] = found;
  // One value alone, or two that rounding keeps apart, have no range of their own.
  if (high - low < 0.02) return { range: [low - 0.15, high + 0.15], ...ticks(low - 0.15, high + 0.15) };
  return ticks(low, high);
};
const themed = (figure, height) => {
  const layout = structuredClone(figure.layout), small = figure.small;
  const { ink, line, paper } = theme();
  const made = {
    margin: small ? { l: 44, r: 8, t: 6, b: 34 } : { l: 56, r: 14, t: 14, b: 46 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, size: small ? 10 : 12, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: paper, bordercolor: ink, font: { color: ink } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, xanchor: "left" },
    uirevision: "kept", bargap: 0.25, hovermode: "closest", dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    ...layout, height,
  };
  for (const name of ["xaxis", "yaxis"]) {
    const axis = layout[name] || {};
    const log = axis.type === "log" ? logarithmic(figure.traces, name[0]) : {};
    made[name] = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, ...log, ...axis };
    if (axis.title) made[name].title = { standoff: 8, ...axis.title };
  }
  return made;
};
const quiet = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
const drawn = new Map();
const draw = (place, figure) => {
  const height = Number(place.dataset.height), known = drawn.has(place);
  const traces = structuredClone(figure.traces).map((trace, i) => ({ ...trace, uid: trace.name || String(i) }));
  drawn.set(place, figure);
  // One that is drawn again keeps what was zoomed, and which traces were hidden.
  Plotly.react(place, traces, themed(figure, height), { ...quiet, displayModeBar: figure.small ? false : undefined });
  if (known) return;
  place.on("plotly_click", (event) => {
    const name = event.points[0] && event.points[0].customdata;
    if (name && data.trials && data.trials[name]) choose(name, true);
  });
  // Who zooms, or shows a trace that was hidden, gets ticks for what is then to be seen.
  let before = "";
  const renew = () => {
    const changes = {};
    for (const name of ["xaxis", "yaxis"]) {
      const axis = place.layout[name];
      if (!axis || !axis.range) continue;
      if (counts(axis)) changes[`${name}.dtick`] = whole(Math.abs(axis.range[1] - axis.range[0]), drawn.get(place).small ? 4 : 10);
      if (axis.type === "log") for (const [key, value] of Object.entries(ticks(...axis.range))) changes[`${name}.${key}`] = value;
    }
    const now = JSON.stringify(changes);
    if (now !== before) { before = now; Plotly.relayout(place, changes); }
  };
  place.on("plotly_relayout", renew);
  place.on("plotly_restyle", renew);
  place.style.minHeight = "";
};
const again = () => {
  for (const [place, figure] of drawn)
    if (place.isConnected) Plotly.relayout(place, themed(figure, Number(place.dataset.height)));
    else drawn.delete(place);
};
dark.addEventListener("change", again);

// Tables behind figures are made when they are opened.
document.addEventListener("toggle", (event) => {
  const place = event.target.matches("details.table[open]") && event.target.querySelector(".scroll");
  if (!place || place.hasChildNodes()) return;
  const figure = data.figures[event.target.closest("figure").dataset.figure];
  place.append(table(figure.columns, figure.rows));
}, true);

// Figures are drawn when they come near, the rest while nothing else is to do, all before printing.
const waiting = new Set();
const figure_of = (place) => data.figures[place.closest("figure").dataset.figure];
const show = (place) => {
  near.unobserve(place);
  if (waiting.delete(place)) draw(place, figure_of(place));
};
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) show(entry.target);
}, { rootMargin: "600px" });
const later = window.requestIdleCallback || ((work) => setTimeout(work, 50));
// In a fold that is closed a figure has no width; it is near when the fold is opened.
const seen = () => [...waiting].filter((place) => !place.closest("details:not([open])"));
const rest = () => {
  const [place] = seen();
  if (place) { show(place); later(rest); } else document.documentElement.dataset.drawn = "all";
};
const watch = () => {
  for (const place of document.querySelectorAll("figure .plot"))
    if (!drawn.has(place) && !waiting.has(place)) { waiting.add(place); near.observe(place); }
  rest();
};
let folded = [];
addEventListener("beforeprint", () => {
  printing = true;
  folded = [...document.querySelectorAll("details.fold:not([open])")];
  for (const fold of folded) fold.open = true;
  for (const place of seen()) show(place);
  again();
});
addEventListener("afterprint", () => {
  printing = false;
  for (const fold of folded) fold.open = false;
  again();
});
