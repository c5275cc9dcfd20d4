// Draws the figures in the colours of the theme, and sorts a table by the column whose head is clicked.
"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  const text = getComputedStyle(document.body).color;
  for (const figure of document.querySelectorAll(".figure")) {
    const told = JSON.parse(figure.nextElementSibling.textContent);
    told.layout.font = Object.assign({}, told.layout.font, { color: text });
    told.layout.hoverlabel = Object.assign({}, told.layout.hoverlabel, { font: { color: dark.matches ? "#e8eaee" : "#1f2328" }, bgcolor: dark.matches ? "#1a1f29" : "#ffffff" });
    Plotly.react(figure, told.data, told.layout, { displaylogo: false, responsive: true });
  }
}
function sort(head) {
  const table = head.closest("table"), at = Array.from(head.parentNode.children).indexOf(head);
  const up = head.dataset.order !== "up", rows = Array.from(table.tBodies[0].rows);
  const value = (row) => row.cells[at].textContent, number = (text) => parseFloat(text.replace(/,/g, ""));
  rows.sort((a, b) => {
    const x = number(value(a)), y = number(value(b));
    const order = isNaN(x) || isNaN(y) ? value(a).localeCompare(value(b)) : x - y;
    return up ? order : -order;
  });
  for (const other of head.parentNode.children) { delete other.dataset.order; other.removeAttribute("aria-sort"); }
  head.dataset.order = up ? "up" : "down";
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}
for (const head of document.querySelectorAll("thead th")) {
  head.tabIndex = 0;
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); } });
}
draw();
dark.addEventListener("change", draw);
