// The leaderboard: sort by a column, filter by words, architecture and state.
const board = $("#board"), body = board.tBodies[0], heads = () => [...board.tHead.rows[0].cells];
const rows = () => [...body.rows];
let sorted = null; // Name of the column, and whether upwards.
const sort = () => {
  const column = sorted ? heads().findIndex((head) => head.textContent === sorted.name) : -1;
  for (const head of heads()) head.removeAttribute("aria-sort");
  if (column < 0) return;
  heads()[column].setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.value;
  const order = (a, b) => {
    const [one, two] = [key(a), key(b)];
    if (one === "" || two === "") return (one === "") - (two === ""); // What is missing comes last.
    const apart = isNaN(one) || isNaN(two) ? one.localeCompare(two, "en", { numeric: true }) : one - two;
    return sorted.up ? apart : -apart;
  };
  body.append(...rows().sort(order));
};
board.tHead.addEventListener("click", (event) => {
  const head = event.target.closest("th");
  if (!head) return;
  sorted = { name: head.textContent, up: head.getAttribute("aria-sort") !== "ascending" };
  sort();
});
const words_of = (row) => {
  const config = Object.entries(data.trials[row.dataset.trial].config).map(([name, value]) => `${name}=${value}`);
  return [row.dataset.trial, row.dataset.space, row.dataset.state, ...config].join(" ").toLowerCase();
};
const filter = () => {
  const words = $("#filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const space = $("#filter-space").value, state = $("#filter-state").value;
  let count = 0;
  for (const row of rows()) {
    const text = words_of(row);
    row.hidden = !((!space || row.dataset.space === space) && (!state || row.dataset.state === state) &&
      words.every((word) => text.includes(word)));
    count += !row.hidden;
  }
  $("#shown").textContent = `${count} of ${rows().length} trial${rows().length === 1 ? "" : "s"}`;
};
$(".filters").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["#filter-text", "#filter-space", "#filter-state"]) $(id).addEventListener("input", filter);

// A trial: its curves with the gap shaded, its parameters, what it misread.
const curve = (name) => {
  const trial = data.trials[name], [epochs, train, valid, read, cer] = trial.curve;
  const hasCer = cer.some((value) => value !== null);
  const log = [...train, ...valid].every((value) => value === null || value > 0);
  const line = (label, y, colour, more = {}) =>
    ({ type: "scatter", mode: "lines+markers", name: label, x: epochs, y, line: { color: colour, width: 2.5 }, ...more });
  return {
    traces: [
      line("training NLL", train, "#c8701a", { marker: { symbol: "square" } }),
      line("validation NLL", valid, "#3b7dd8", { fill: "tonexty", fillcolor: "rgba(132,137,143,.28)" }),
      { ...line("captchas read (right)", read, "#2b9464", { marker: { symbol: "diamond" } }), yaxis: "y2", line: { color: "#2b9464", width: 1.5, dash: "dot" } },
      ...hasCer ? [{ ...line("CER (right)", cer, "#9a6bc7", { marker: { symbol: "x" } }), yaxis: "y2", line: { color: "#9a6bc7", width: 1.5, dash: "dash" } }] : [],
    ],
    layout: {
      xaxis: { title: { text: "epoch" }, tick0: 0, dtick: whole(epochs.length) },
      yaxis: { title: { text: "NLL, nats per captcha" }, type: log ? "log" : "linear" },
      yaxis2: { overlaying: "y", side: "right", range: [0, 1.02], tickmode: "array", tickvals: [0, 0.25, 0.5, 0.75, 1], tickformat: ".0%", showgrid: false, automargin: true },
    },
    columns: ["epoch", "training NLL", "validation NLL", "gap", "captchas read", ...hasCer ? ["CER"] : []],
    rows: epochs.map((epoch, i) => [epoch, train[i], valid[i],
      train[i] === null || valid[i] === null ? null : valid[i] - train[i], read[i], ...hasCer ? [cer[i]] : []]),
  };
};
let chosen = null;
const choose = (name, go) => {
  const trial = data.trials[name], place = $("#trial-body"), figure = curve(name);
  // Shown again, with more epochs, it keeps its figure and what is open.
  const kept = chosen === name ? place.querySelector(".plot") : null;
  const opened = chosen === name ? [...place.querySelectorAll("details[open] > summary")].map((one) => one.textContent) : [];
  chosen = name;
  $("#trial-heading").textContent = `${name}: training and validation`;
  $("#choose").value = name;
  for (const row of rows()) row.dataset.trial === name ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current");
  const facts = [`${trial.space}, ${trial.state} at epoch ${trial.epochs}`, trial.rank && `rank ${trial.rank} in ${trial.space}`,
    trial.seed !== null && `seed ${trial.seed}`, trial.minutes !== null && `${trial.minutes.toFixed(1)} min`, trial.images_seen !== null && `${trial.images_seen.toLocaleString("en")} images seen`, trial.device,
    trial.num_misread !== null && trial.num_images !== null && `${trial.num_misread} of ${trial.num_images} misread`,
    trial.valid_cer !== null && `CER ${(100 * trial.valid_cer).toFixed(2)} %`];
  place.replaceChildren(element("p", facts.filter(Boolean).join("; ") + "."));
  if (trial.reason) place.append(element("p", `Stopped: ${trial.reason}.`));
  if (trial.error) place.append(element("p", trial.error, { class: "error" }));
  if (figure.rows.length) {
    const plot = kept || element("div", undefined, { class: "plot", role: "img", "data-height": "360", "aria-label": `Curves of ${name}; the table below has the same data.` });
    place.append(element("p", "The shaded area between the curves is the gap.", { class: "quiet" }), plot);
    draw(plot, figure);
    const details = element("details"), scroll = element("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": `Curves of ${name}` });
    scroll.append(table(figure.columns, figure.rows));
    details.append(element("summary", "Table: curves"), scroll);
    place.append(details);
  } else place.append(element("p", "No epoch was recorded."));
  const sides = element("div", undefined, { class: "sides" }), config = element("div"), wrong = element("div");
  const same = (key) => JSON.stringify(trial.config[key]) === JSON.stringify(trial.start[key]);
  const differs = (key) => key in trial.start && !same(key);
  const parameters = (keys, which) => {
    const scroll = element("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": `${which} of ${name}` });
    scroll.append(table(["parameter", name, "baseline"], keys.map((key) => [key, shown(trial.config[key]), shown(trial.start[key])])));
    return scroll;
  };
  const keys = Object.keys(trial.config), apart = keys.filter(differs), rest = keys.filter((key) => !differs(key));
  config.append(element("h3", "Parameters that differ from the baseline"),
    apart.length ? parameters(apart, "Parameters") : element("p", trial.baseline ? "None: this is the baseline." : "None."));
  if (rest.length) {
    const details = element("details");
    details.append(element("summary", `The other ${rest.length}`), parameters(rest, "Other parameters"));
    config.append(details);
  }
  sides.append(config);
  if (trial.wrong.length) {
    const list = element("ul", undefined, { class: "gallery" });
    for (const [at, read, sure] of trial.wrong) {
      const item = element("li"), label = data.labels[at];
      // Those of the gallery are in the page already.
      const there = document.querySelector(`#gallery img[data-index="${at}"]`);
      const picture = there ? there.src : data.pictures[at] && `data:image/png;base64,${data.pictures[at]}`;
      if (picture) item.append(element("img", undefined, { src: picture, alt: `image of ${label}`, width: 140, height: 35 }));
      item.append(element("p", `${label ?? "?"} read as ${read || "nothing"}, ${(100 * sure).toFixed(1)} % sure`));
      list.append(item);
    }
    const more = trial.num_misread > trial.wrong.length ? `, ${trial.wrong.length} of ${trial.num_misread}` : "";
    wrong.append(element("h3", `Misread images${more}`), list);
    sides.append(wrong);
  }
  place.append(sides);
  for (const details of place.querySelectorAll("details"))
    details.open = opened.includes(details.firstChild.textContent);
  if (go) {
    history.replaceState(null, "", `#trial-${encodeURIComponent(name)}`);
    $("#trial-heading").focus({ preventScroll: true });
    $("#trial").scrollIntoView();
  }
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.trial");
  if (button && data.trials[button.dataset.trial]) choose(button.dataset.trial, true);
});
$("#choose").addEventListener("change", (event) => choose(event.target.value, false));
const wanted = Object.keys(data.trials).find((name) => location.hash === `#trial-${encodeURIComponent(name)}`);
const first = () => (rows().length ? rows()[0].dataset.trial : null);
if (wanted || first()) choose(wanted || first(), Boolean(wanted));
else $("#trial-body").append(element("p", "No trial has begun."));
watch();
