// @ts-check
// Left and right arrow keys go to the previous and the next file.

/** @type {Record<string, string | undefined>} */
const RELATIONS = { ArrowLeft: "prev", ArrowRight: "next" };

document.addEventListener("keydown", (event) => {
  // viewer.js moves a zoomed picture with them.
  if (event.defaultPrevented) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.target instanceof Element && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (document.querySelector("[popover]:popover-open")) return;
  const relation = RELATIONS[event.key];
  if (!relation) return;
  /** @type {HTMLAnchorElement | null} */
  const link = document.querySelector(`.viewer a[rel="${relation}"]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});
