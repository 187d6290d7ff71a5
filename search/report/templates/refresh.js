// The page that is served while the search runs: what has changed is put in its place, the rest stays.
const EVERY_MS = 2000, BUSY = 10; // It waits ten times as long as the last refresh took, so that a search has the machine.
const OWN = ["open", "aria-sort", "aria-current", "style"]; // Attributes that this script or the reader sets.

const key_of = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.id || node.dataset.key)) || "";
const attributes = (old, next, kept) => {
  for (const { name, value } of [...next.attributes])
    if (!kept.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes])
    if (!kept.includes(name) && !next.hasAttribute(name)) old.removeAttribute(name);
};
// Make an element like another of its kind; what carries data-own is filled by the script alone.
const morph = (old, next) => {
  if (old.dataset.own !== undefined) return attributes(old, next, [...OWN, "class"]);
  attributes(old, next, OWN);
  const known = new Map([...old.children].filter(key_of).map((child) => [key_of(child), child]));
  let place = old.firstChild;
  for (const child of [...next.childNodes]) {
    const key = key_of(child), alike = place && !key_of(place) && place.nodeName === child.nodeName;
    const same = key ? known.get(key) : alike ? place : null;
    if (!same || same.nodeName !== child.nodeName) { old.insertBefore(document.adoptNode(child), place); continue; }
    if (same === place) place = place.nextSibling; else old.insertBefore(same, place);
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, child);
    else if (same.data !== child.data) same.data = child.data;
  }
  while (place) { const gone = place; place = place.nextSibling; gone.remove(); }
};

const differs = (a, b) => JSON.stringify(a) !== JSON.stringify(b);
const renew = async (text) => {
  const next = new DOMParser().parseFromString(text, "text/html"), before = data;
  data = JSON.parse(await unpack(next.querySelector("#data").textContent));
  const focus = document.activeElement;
  for (const part of ["header", "nav", "main"]) morph($(part), next.querySelector(part));
  sort();
  filter();
  for (const [place, figure] of drawn) {
    const own = place.isConnected && place.closest("figure");
    const now = own ? data.figures[own.dataset.figure] : figure; // A trial's curves are drawn by `choose`.
    if (!place.isConnected || !now) drawn.delete(place);
    else if (differs(now, figure)) draw(place, now);
  }
  for (const details of document.querySelectorAll("details.table")) {
    const name = details.closest("figure").dataset.figure;
    if (!differs(before.figures[name], data.figures[name])) continue;
    const place = details.querySelector(".scroll");
    place.replaceChildren();
    if (details.open) place.append(table(data.figures[name].columns, data.figures[name].rows));
  }
  for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
  if (!chosen || !data.trials[chosen]) { if (first()) choose(first(), false); }
  else if (differs(before.trials[chosen], data.trials[chosen])) choose(chosen, false);
  else $("#choose").value = chosen;
  if (chosen) for (const row of rows()) if (row.dataset.trial === chosen) row.setAttribute("aria-current", "true");
  watch();
  if (focus !== document.activeElement && focus.isConnected) focus.focus({ preventScroll: true });
};

const asked = async (address) => {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
};
const live = $("#live"), line = live.querySelector("span");
let version = live.dataset.version, wait = EVERY_MS;
const look = async () => {
  wait = EVERY_MS;
  try {
    const state = await (await asked("state")).json();
    if (state.version !== version) {
      const begin = performance.now();
      const answer = await asked("report");
      await renew(await answer.text());
      version = answer.headers.get("X-Version");
      wait = Math.max(EVERY_MS, BUSY * (performance.now() - begin));
    }
    live.dataset.state = "on";
    line.textContent = state.says;
  } catch (error) {
    live.dataset.state = "off";
    line.textContent = error instanceof TypeError
      ? `Nobody answers: the page stays as it is. Start it again: ${live.dataset.command}` : error.message;
  }
  document.documentElement.dataset.looked = Number(document.documentElement.dataset.looked || 0) + 1;
};
const follow = async () => {
  if (!document.hidden) await look();
  setTimeout(follow, wait);
};
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
follow();
