"use strict";
// Decisions on the page, saved as a table of corrections: image,label; an empty label leaves out.
const items = [...document.querySelectorAll(".gallery > li")];
const save = document.getElementById("save"), count = document.getElementById("count");
const before = Object.entries(JSON.parse(document.getElementById("gallery").dataset.before));
let saved = "";

function table() {
  const cell = (text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const changed = items.filter((item) => "changed" in item.dataset)
    .map((item) => [item.dataset.image, item.querySelector("input").value]);
  if (!changed.length) return "";
  const rows = new Map([...before, ...changed]);
  return "image,label\n" + [...rows].map((row) => row.map(cell).join(",") + "\n").join("");
}

function show(item) {
  const input = item.querySelector("input");
  item.toggleAttribute("data-changed", input.value !== item.dataset.label);
  const changed = items.filter((one) => "changed" in one.dataset);
  const out = changed.filter((one) => one.querySelector("input").value === "").length;
  save.disabled = !changed.length;
  count.textContent = changed.length
    ? `${changed.length - out} corrected, ${out} left out` : "nothing is changed yet";
}

for (const item of items) {
  const input = item.querySelector("input");
  input.addEventListener("input", () => show(item));
  for (const button of item.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      input.value = { accept: item.dataset.read, leave: "", keep: item.dataset.label }[button.dataset.do];
      show(item);
    });
  }
  show(item);
}
save.addEventListener("click", () => {
  const link = document.createElement("a");
  saved = table();
  link.href = URL.createObjectURL(new Blob([saved], { type: "text/csv" }));
  link.download = "corrections.csv";
  link.click();
});
window.addEventListener("beforeunload", (event) => {
  if (table() !== saved) event.preventDefault();
});
