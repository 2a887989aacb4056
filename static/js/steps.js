// Left and right arrow keys go to the previous and the next file.

document.addEventListener("keydown", (event) => {
  // viewer.js moves a large picture with them.
  if (event.defaultPrevented) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("[popover]:popover-open")) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`.viewer a[rel="${rel}"]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});
