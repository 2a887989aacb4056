// A button that opens the print dialog; without it the browser's own menu does the same.

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
