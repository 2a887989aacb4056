// @ts-check
// Dates are rendered in UTC; this rewrites them in the user's language and time zone, with the exact moment as tooltip.
// data-style gives the format: "ago" (2 minutes ago, then a date), "date", or "full" (date and time).

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dayThisYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** In milliseconds, as all durations here. */
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Midnight of the date in the user's time zone, in milliseconds since 1970.
 * @param {Date} date
 */
function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/**
 * @param {Date} date
 * @param {Date} now
 */
function ago(date, now) {
  const past = now.getTime() - date.getTime();
  if (past >= -MINUTE && past < MINUTE) return relative.format(0, "minute");
  if (past >= MINUTE && past < HOUR) return relative.format(-Math.floor(past / MINUTE), "minute");
  const days = Math.round((startOfDay(now) - startOfDay(date)) / DAY);
  if (days === 0) return clock.format(date);
  if (days === 1) return relative.format(-1, "day");
  return date.getFullYear() === now.getFullYear() ? dayThisYear.format(date) : day.format(date);
}

/**
 * With a capital letter at the start: "yesterday" stands alone in a cell.
 * @param {string} text
 */
function capitalize(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/**
 * @param {HTMLTimeElement} element
 * @param {Date} now
 */
function localize(element, now) {
  const date = new Date(element.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const style = element.dataset.style;
  const text = style === "ago" ? capitalize(ago(date, now)) : style === "date" ? day.format(date) : full.format(date);
  if (element.textContent !== text) element.textContent = text;
  element.title = exact.format(date);
}

/** @param {ParentNode} root */
function localizeAll(root) {
  const now = new Date();
  /** @type {NodeListOf<HTMLTimeElement>} */
  const elements = root.querySelectorAll("time[datetime]");
  for (const element of elements) localize(element, now);
}

localizeAll(document);
// Other modules fire this on what they have swapped into the page.
document.addEventListener("stillage:swapped", ({ target }) => {
  if (target instanceof Element) localizeAll(target);
});
// "2 minutes ago" must not stay so for an hour.
setInterval(() => {
  if (!document.hidden) localizeAll(document);
}, MINUTE);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) localizeAll(document);
});
