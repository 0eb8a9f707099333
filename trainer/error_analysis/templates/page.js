"use strict";
(() => {
  const chosen = new Set();
  let label = "";
  const count = document.getElementById("shown");
  const buttons = [...document.querySelectorAll("button[data-kind]")];
  const reports = [...document.querySelectorAll("article")];

  function matches(row) {
    return (chosen.size === 0 || chosen.has(row.dataset.kind)) &&
      (label === "" || row.dataset.labels.split(" ").includes(label));
  }

  function show() {
    let errors = 0, visible = 0;
    for (const report of reports) {
      let any = false;
      for (const row of report.querySelectorAll("tr[data-kind]")) {
        row.hidden = !matches(row);
        any = any || !row.hidden;
        errors += row.hidden ? 0 : 1;
      }
      report.hidden = !any;
      visible += any ? 1 : 0;
    }
    for (const button of buttons) button.setAttribute("aria-pressed", chosen.has(button.dataset.kind));
    count.textContent = `${visible} / ${errors}`;
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const kind = button.dataset.kind;
      if (!chosen.delete(kind)) chosen.add(kind);
      show();
    });
  }
  document.getElementById("label").addEventListener("change", (event) => {
    label = event.target.value;
    show();
  });
  for (const row of document.querySelectorAll("tr[data-at]")) {
    row.addEventListener("click", () => {
      document.querySelector(".found")?.classList.remove("found");
      const piece = row.closest("article").querySelector(`.piece[data-at="${row.dataset.at}"]`);
      piece?.classList.add("found");
      piece?.scrollIntoView({ block: "nearest" });
    });
  }
  show();
})();
