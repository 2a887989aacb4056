// @ts-check
// Announcements to screen readers: results, but no speeds and percentages, which would never end.

const KEPT_LINES = 20;

/**
 * @param {HTMLElement} region a live region
 * @param {string} text
 */
export function announce(region, text) {
  // Added, not replaced: files that finish at the same moment must all be announced.
  const line = document.createElement("p");
  line.textContent = text;
  region.append(line);
  while (region.children.length > KEPT_LINES) region.firstElementChild?.remove();
}
