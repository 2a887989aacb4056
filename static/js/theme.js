// @ts-check
// Light, dark or the system's theme: sets data-theme at once and a cookie, from which the server renders it next time.

/** How long the cookie is kept, in seconds. */
const YEAR = 365 * 24 * 60 * 60;
const switcher = document.querySelector("[data-theme-switch]");

/** @param {string} theme "light", "dark", or empty for the system's */
function choose(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${theme ? YEAR : 0}; SameSite=Lax${secure}`;
  /** @type {NodeListOf<HTMLElement> | undefined} */
  const buttons = switcher?.querySelectorAll("[data-theme-choice]");
  buttons?.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme)));
}

switcher?.addEventListener("click", ({ target }) => {
  if (!(target instanceof Element)) return;
  /** @type {HTMLElement | null} */
  const button = target.closest("[data-theme-choice]");
  if (button) choose(button.dataset.themeChoice ?? "");
});
