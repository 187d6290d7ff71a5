"use strict";
// Everything that comes from the run is written as text, never as HTML.
(async () => {
  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const data = JSON.parse(await unpack("data"));
  const $ = (selector) => document.querySelector(selector);

  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const shown = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value !== "number") return String(value);
    return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  };
  const table = (columns, rows, mark) => {
    const made = element("table"), head = element("tr"), body = element("tbody");
    const numeric = columns.map((_, i) => rows.every((row) => row[i] === null || typeof row[i] === "number"));
    columns.forEach((name, i) => head.append(element("th", name, { scope: "col", class: numeric[i] ? "number" : "" })));
    for (const row of rows) {
      const line = element("tr", undefined, mark ? { class: mark(row) } : {});
      row.forEach((value, i) => line.append(
        i ? element("td", shown(value), { class: numeric[i] ? "number" : "" }) : element("th", shown(value), { scope: "row" })));
      body.append(line);
    }
    made.append(element("thead"), body);
    made.firstChild.append(head);
    return made;
  };

  // The leaderboard: sort by a column, filter by words, architecture and state.
  const board = $("#board"), body = board.tBodies[0], rows = [...body.rows];
  [...board.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of board.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value;
      const order = (a, b) => {
        const [one, two] = [key(a), key(b)];
        if (one === "" || two === "") return (one === "") - (two === ""); // What is missing comes last.
        const apart = isNaN(one) || isNaN(two) ? one.localeCompare(two, "en", { numeric: true }) : one - two;
        return up ? apart : -apart;
      };
      body.append(...rows.sort(order));
    });
  });
  const words_of = (row) => {
    const config = Object.entries(data.trials[row.dataset.trial].config).map(([name, value]) => `${name}=${value}`);
    return [row.dataset.trial, row.dataset.space, row.dataset.state, ...config].join(" ").toLowerCase();
  };
  const filter = () => {
    const words = $("#filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const space = $("#filter-space").value, state = $("#filter-state").value;
    let count = 0;
    for (const row of rows) {
      const text = words_of(row);
      row.hidden = !((!space || row.dataset.space === space) && (!state || row.dataset.state === state) &&
        words.every((word) => text.includes(word)));
      count += !row.hidden;
    }
    $("#shown").textContent = `${count} of ${rows.length} trials`;
  };
  $(".filters").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["#filter-text", "#filter-space", "#filter-state"]) $(id).addEventListener("input", filter);

  // Tables behind figures are made when they are opened.
  for (const details of document.querySelectorAll("details.table"))
    details.addEventListener("toggle", () => {
      const place = details.querySelector(".scroll");
      const figure = data.figures[details.closest("figure").dataset.figure];
      if (!place.hasChildNodes()) place.append(table(figure.columns, figure.rows));
    });

  // Plotly, unpacked into a script of our own.
  const library = element("script");
  library.nonce = document.getElementById("data").nonce;
  library.textContent = await unpack("plotly");
  document.head.append(library);

  const dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const theme = () => {
    const own = getComputedStyle(document.documentElement);
    const [ink, line, paper] = printing ? ["#000", "#ccc", "#fff"] :
      ["--ink", "--line", "--paper"].map((name) => own.getPropertyValue(name).trim());
    return { ink, line, paper };
  };
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
      bargap: 0.25, hovermode: "closest", dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
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
    const height = Number(place.dataset.height);
    drawn.set(place, figure);
    Plotly.newPlot(place, structuredClone(figure.traces), themed(figure, height), { ...quiet, displayModeBar: figure.small ? false : undefined });
    place.on("plotly_click", (event) => {
      const name = event.points[0] && event.points[0].customdata;
      if (name && data.trials[name]) choose(name, true);
    });
    // Who zooms, or shows a trace that was hidden, gets ticks for what is then to be seen.
    let before = "";
    const renew = () => {
      const changes = {};
      for (const name of ["xaxis", "yaxis"]) {
        const axis = place.layout[name];
        if (!axis || axis.type !== "log" || !axis.range) continue;
        for (const [key, value] of Object.entries(ticks(...axis.range))) changes[`${name}.${key}`] = value;
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
        xaxis: { title: { text: "epoch" } },
        yaxis: { title: { text: "NLL, nats per captcha" }, type: log ? "log" : "linear" },
        yaxis2: { overlaying: "y", side: "right", range: [0, 1.02], tickmode: "array", tickvals: [0, 0.25, 0.5, 0.75, 1], tickformat: ".0%", showgrid: false, automargin: true },
      },
      columns: ["epoch", "training NLL", "validation NLL", "gap", "captchas read", ...hasCer ? ["CER"] : []],
      rows: epochs.map((epoch, i) => [epoch, train[i], valid[i],
        train[i] === null || valid[i] === null ? null : valid[i] - train[i], read[i], ...hasCer ? [cer[i]] : []]),
    };
  };
  const choose = (name, go) => {
    const trial = data.trials[name], place = $("#trial-body"), figure = curve(name);
    $("#trial-heading").textContent = `${name}: training and validation`;
    $("#choose").value = name;
    for (const row of rows) row.dataset.trial === name ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current");
    const facts = [`${trial.space}, ${trial.state} at epoch ${trial.epochs}`, trial.rank && `rank ${trial.rank} in ${trial.space}`,
      trial.seed !== null && `seed ${trial.seed}`, trial.minutes !== null && `${trial.minutes.toFixed(1)} min`, trial.device,
      trial.num_misread !== null && trial.num_images !== null && `${trial.num_misread} of ${trial.num_images} misread`,
      trial.valid_cer !== null && `CER ${(100 * trial.valid_cer).toFixed(2)} %`];
    place.replaceChildren(element("p", facts.filter(Boolean).join("; ") + "."));
    if (trial.reason) place.append(element("p", `Stopped: ${trial.reason}.`));
    if (trial.error) place.append(element("p", trial.error, { class: "error" }));
    if (figure.rows.length) {
      const plot = element("div", undefined, { class: "plot", role: "img", "data-height": "360", "aria-label": `Curves of ${name}; the table below has the same data.` });
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
  const first = wanted || (rows.length ? rows[0].dataset.trial : null);
  if (first) choose(first, first === wanted);
  else $("#trial-body").append(element("p", "No trial has begun."));

  // Figures are drawn when they come near, the rest while nothing else is to do, all before printing.
  const waiting = new Set(document.querySelectorAll("figure .plot"));
  const show = (place) => {
    if (waiting.delete(place)) draw(place, data.figures[place.closest("figure").dataset.figure]);
    if (!waiting.size) document.documentElement.dataset.drawn = "all";
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); show(entry.target); }
  }, { rootMargin: "600px" });
  for (const place of waiting) near.observe(place);
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 50));
  const rest = () => { for (const place of waiting) { show(place); break; } if (waiting.size) later(rest); };
  if (waiting.size) later(rest); else document.documentElement.dataset.drawn = "all";
  addEventListener("beforeprint", () => { printing = true; for (const place of [...waiting]) show(place); again(); });
  addEventListener("afterprint", () => { printing = false; again(); });
})();
