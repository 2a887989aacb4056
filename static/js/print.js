// @ts-check
// A button that opens the print dialog; without scripts the browser's own menu does the same.

document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("[data-print]")) window.print();
});
