/* What the book's pages do beside being read. Without it every page is complete, only less handy. */
"use strict";

/* Figures: a button, and a click, show one in its full size. */

const SOURCES = "main figure img, main .cell_output img";

function viewer() {
  const dialog = document.createElement("dialog");
  dialog.className = "viewer";
  dialog.innerHTML =
    '<form method="dialog"><button class="viewer-close">Close</button></form>' +
    '<div class="viewer-image" tabindex="0" role="group" aria-label="Figure in full size"></div>' +
    '<p class="viewer-caption"></p>';
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

function enlarge(dialog, image) {
  const large = document.createElement("img");
  large.src = image.currentSrc || image.src;
  large.alt = image.alt;
  dialog.querySelector(".viewer-image").replaceChildren(large);
  const caption = image.closest("figure")?.querySelector("figcaption p")?.cloneNode(true);
  caption?.querySelector(".headerlink")?.remove();
  dialog.setAttribute("aria-label", caption?.textContent.trim() || "Figure");
  dialog.querySelector(".viewer-caption").replaceChildren(...(caption?.childNodes ?? []));
  dialog.showModal();
  dialog.querySelector(".viewer-close").focus();
}

function offerToEnlarge() {
  let dialog = null;
  for (const image of document.querySelectorAll(SOURCES)) {
    if (image.closest("a, [data-flipbook]")) continue;
    const open = () => enlarge((dialog ??= viewer()), image);
    const name = image.closest("figure")?.querySelector(".caption-number")?.textContent.trim();
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge";
    button.setAttribute("aria-label", `Enlarge ${name || "figure"}`);
    button.addEventListener("click", open);
    image.addEventListener("click", open);
    image.classList.add("enlargeable");
    image.after(button);
  }
}

/* Whatever is wider than its box scrolls there, says so, and can be reached with the keyboard. */

const BOXES = [
  "main .cell_output",
  "main .table-wrapper",
  "main .pst-scrollable-table-container",
  "main div.math mjx-container",
  "main pre",
].join(", ");
const SLACK = 3;
const hints = new Map();

function markScrolling() {
  // first read all, then write: a page has hundreds of formulas, and each turn is a new layout
  const changed = [...document.querySelectorAll(BOXES)]
    .map((box) => [box, box.scrollWidth > box.clientWidth + SLACK])
    .filter(([box, wide]) => wide !== box.classList.contains("scrolls"));
  for (const [box, wide] of changed) {
    box.classList.toggle("scrolls", wide);
    hints.get(box)?.remove();
    hints.delete(box);
    if (!wide) {
      box.removeAttribute("tabindex");
      continue;
    }
    box.tabIndex = 0;
    if (!box.matches("pre")) hints.set(box, addHint(box)); // of a listing the shadow says enough
  }
}

function addHint(box) {
  const hint = document.createElement("span");
  hint.className = "scroll-hint";
  hint.textContent = "scrolls sideways \u2192";
  const formula = box.closest("div.math");
  if (formula) formula.after(hint);
  else box.before(hint);
  return hint;
}

function watchWidths() {
  let due = null;
  const soon = () => {
    clearTimeout(due);
    due = setTimeout(markScrolling, 100);
  };
  new ResizeObserver(soon).observe(document.querySelector("main"));
  document.addEventListener("toggle", soon, true);
  document.addEventListener("click", soon); // folded cells and tabs
  window.addEventListener("load", () => window.MathJax?.startup?.promise?.then(soon));
}

/* The files of a chapter are saved, not shown in a tab. */

function saveDownloads() {
  for (const link of document.querySelectorAll(".dropdown-download-buttons a")) {
    link.setAttribute("download", "");
    link.removeAttribute("target");
  }
}

function prepare() {
  offerToEnlarge();
  watchWidths();
  saveDownloads();
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", prepare);
else prepare();
