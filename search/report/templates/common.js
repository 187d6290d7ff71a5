// Everything that comes from the run is written as text, never as HTML.
const $ = (selector) => document.querySelector(selector);
const unpack = async (text) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};
// Who prints at the load event, as programs do, prints figures: the event waits for an open frame.
const held = document.createElement("iframe");
held.hidden = true;
document.body.append(held);
held.contentDocument.open();
let data = JSON.parse(await unpack($("#data").textContent));

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

// A command is copied whole.
for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  getSelection().selectAllChildren(code);
  try { await navigator.clipboard.writeText(code.textContent); } catch { document.execCommand("copy"); }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

// What is long is folded on a phone.
if (matchMedia("(max-width: 40rem)").matches)
  for (const fold of document.querySelectorAll("details.fold")) fold.open = false;
