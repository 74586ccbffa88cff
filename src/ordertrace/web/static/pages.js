// Keeps a page fresh and usable from the keyboard. Pages work without it; nothing here knows what they show.
"use strict";
const main = document.querySelector("main");
const seconds = Number(main.dataset.refresh || 0);
const freshness = document.getElementById("freshness");
const pause = document.getElementById("pause");
let paused = false, busy = false, clock = freshness?.dataset.clock;

// Replace the parts that differ; what has focus, is unfolded, scrolled or selected stays as it is.
function swap(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const anchor = [...main.querySelectorAll("[data-key]")].find((row) => row.getBoundingClientRect().top >= 0);
  const [key, top, part] = [anchor?.dataset.key, anchor?.getBoundingClientRect().top, anchor?.closest("[data-live]").id];
  const ids = (root) => [...root.querySelectorAll("[data-live]")].map((part) => part.id).join();
  if (ids(fresh) !== ids(main)) return location.reload();
  for (const next of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(next.id);
    if (old.cloneNode(true).outerHTML.replaceAll(" open=\"\"", "").replaceAll(/ class="changed"| changed/g, "") !== next.outerHTML) replace(old, next);
  }
  const moved = key && [...document.getElementById(part).querySelectorAll("[data-key]")].find((row) => row.dataset.key === key);
  if (moved && scrollY > 0) scrollBy(0, moved.getBoundingClientRect().top - top);
}

function replace(old, part) {
  if (!getSelection().isCollapsed && old.contains(getSelection().anchorNode)) return;
  const marks = new Map([...old.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row.dataset.mark]));
  const focus = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focus && [...old.querySelectorAll(focus.tagName)].filter((e) => e.getAttribute("href") === focus.getAttribute("href")).indexOf(focus);
  const open = [...old.querySelectorAll("details[open]")].map((e) => e.id);
  const left = [...old.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
  old.replaceWith(part);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = left[i] || 0; });
  for (const row of part.querySelectorAll("[data-key]")) if (marks.get(row.dataset.key) !== row.dataset.mark) row.classList.add("changed");
  if (focus) [...part.querySelectorAll(focus.tagName)].filter((e) => e.getAttribute("href") === focus.getAttribute("href"))[place]?.focus({ preventScroll: true });
}

async function refresh() {
  if (paused || busy || document.hidden) return;
  busy = true;
  try {
    const response = await fetch(location.href, { headers: { "X-Fragment": "1" }, signal: AbortSignal.timeout(10000) });
    if (!response.ok) throw new Error(response.status);
    swap(await response.text());
    clock = response.headers.get("X-Clock");
    say("updated");
  } catch { say("lost"); } finally { busy = false; }
}

function say(what) {
  freshness.textContent = main.dataset[what].replace("{clock}", clock);
  freshness.classList.toggle("lost", what === "lost");
}

if (seconds) {
  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", refresh);
  pause.hidden = false;
  pause.addEventListener("click", () => { paused = !paused; pause.setAttribute("aria-pressed", paused); paused ? say("paused") : refresh(); });
}
for (const wide of document.querySelectorAll("[data-scroll-to]")) wide.scrollLeft = wide.dataset.scrollTo - wide.clientWidth * 0.7;

document.addEventListener("keydown", (event) => {
  const at = document.activeElement, search = document.getElementById("search");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !at.matches("input, select, textarea")) { event.preventDefault(); search.focus(); search.select(); }
  if (event.key === "Escape" && at === search) search.blur();
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || !(at === search || at.matches("[data-item]"))) return;
  const items = [...document.querySelectorAll("[data-list] [data-item]")].filter((e) => e.getClientRects().length);
  const next = items[items.indexOf(at) + (event.key === "ArrowDown" ? 1 : -1)];
  if (next || at.matches("[data-item]")) { event.preventDefault(); (next || search).focus(); }
});
