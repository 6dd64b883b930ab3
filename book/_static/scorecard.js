// Filters the scorecard's table by the form above it and by the page's address (#chapter=03, or
// #scorecard-03), opens the claim that an address names (#claim-...); tablesort sorts the columns.
// Without this script the page is a plain table with every claim.
"use strict";

(() => {
  const table = document.querySelector("table.scorecard");
  const form = document.querySelector("form.scorecard-filters");
  if (!table || !form) return;
  const rows = [...table.tBodies[0].rows];
  const selects = [...form.querySelectorAll("select")];
  const search = form.elements.q;
  const output = form.querySelector("output");
  const texts = new Map();

  // MathJax changes what a row says: formulas are searched for as they are written.
  for (const row of rows) texts.set(row, `${row.id} ${row.textContent}`.toLowerCase());

  function wanted() {
    const chosen = {};
    for (const field of [...selects, search]) {
      const value = field.value.trim();
      if (value) chosen[field.name] = value;
    }
    return chosen;
  }

  function fits(row, chosen) {
    return Object.entries(chosen).every(([name, value]) => {
      if (name === "q") {
        return value.toLowerCase().split(/\s+/).every((word) => texts.get(row).includes(word));
      }
      return row.dataset[name].split("|").includes(value);
    });
  }

  function show() {
    const chosen = wanted();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !fits(row, chosen);
      if (!row.hidden) shown += 1;
    }
    output.value = shown === rows.length ? `${shown} claims` : `${shown} of ${rows.length} claims`;
    for (const part of document.querySelectorAll(".scorecard-picture a")) {
      const link = new URLSearchParams(part.hash.slice(1));
      const same = Object.entries(chosen).filter(([name]) => name !== "q");
      const current = same.length === [...link].length &&
        same.every(([name, value]) => link.get(name) === value);
      if (current && same.length) part.setAttribute("aria-current", "true");
      else part.removeAttribute("aria-current");
    }
    return chosen;
  }

  function keepInAddress(chosen) {
    const hash = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", `${location.pathname}${hash ? "#" + hash : ""}`);
  }

  function followAddress() {
    const hash = decodeURIComponent(location.hash.slice(1).replace(/\+/g, " "));
    if (hash.startsWith("claim-")) {
      const row = document.getElementById(hash);
      if (!row) return;
      form.reset();
      show();
      row.querySelector("details").open = true;
      row.scrollIntoView({ block: "center" });
      return;
    }
    const asked = new URLSearchParams(hash.replace(/^scorecard-(?=\d\d$)/, "chapter="));
    if (hash && ![...asked].some(([name]) => form.elements[name])) return;
    for (const [name, value] of new URLSearchParams(location.search)) {
      if (!asked.has(name)) asked.set(name, value);
    }
    for (const field of [...selects, search]) field.value = asked.get(field.name) || "";
    show();
    if ([...asked].length) form.scrollIntoView({ block: "start" });
  }

  form.hidden = false;
  form.addEventListener("input", () => keepInAddress(show()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => keepInAddress(show())));
  window.addEventListener("hashchange", followAddress);
  new Tablesort(table);
  for (const head of table.tHead.rows[0].cells) head.title = "Sort";
  followAddress();
})();
