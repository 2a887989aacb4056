// @ts-check
// Menus are <details> and open without scripts. This closes them on Escape, on a click elsewhere, and when the focus
// leaves.

/**
 * @param {HTMLDetailsElement} menu
 * @param {boolean} restoreFocus whether the menu's button gets the focus back
 */
function close(menu, restoreFocus) {
  menu.open = false;
  if (restoreFocus) menu.querySelector("summary")?.focus();
}

/** @returns {NodeListOf<HTMLDetailsElement>} */
function openMenus() {
  return document.querySelectorAll("details.menu[open]");
}

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  const opensDialog = event.target.closest("[popovertarget]");
  for (const menu of openMenus()) {
    if (!menu.contains(event.target) || opensDialog) close(menu, false);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) close(menu, menu.contains(document.activeElement));
});

document.addEventListener("focusin", (event) => {
  if (!(event.target instanceof Node)) return;
  for (const menu of openMenus()) if (!menu.contains(event.target)) close(menu, false);
});
