// Dates arrive in UTC; this writes them in the reader's own language and time zone, with the exact moment on hover.
// data-style says how: "ago" (2 minutes ago, then a date), "date", or "full" (date and time).

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dayThisYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

function ago(date, now) {
  const past = now - date;
  if (past >= -MINUTE && past < MINUTE) return relative.format(0, "minute");
  if (past >= MINUTE && past < HOUR) return relative.format(-Math.floor(past / MINUTE), "minute");
  const days = Math.round((startOfDay(now) - startOfDay(date)) / (24 * HOUR));
  if (days === 0) return clock.format(date);
  if (days === 1) return relative.format(-1, "day");
  return date.getFullYear() === now.getFullYear() ? dayThisYear.format(date) : day.format(date);
}

/** "yesterday" stands alone in a cell. */
function capital(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

function write(element, now) {
  const date = new Date(element.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const style = element.dataset.style;
  const text = style === "ago" ? capital(ago(date, now)) : style === "date" ? day.format(date) : full.format(date);
  if (element.textContent !== text) element.textContent = text;
  element.title = exact.format(date);
}

function writeAll(root) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) write(element, now);
}

writeAll(document);
// Other modules fire this on what they have put into the page.
document.addEventListener("stillage:swapped", (event) => writeAll(event.target));
// "2 minutes ago" must not stay so for an hour.
setInterval(() => { if (!document.hidden) writeAll(document); }, MINUTE);
document.addEventListener("visibilitychange", () => { if (!document.hidden) writeAll(document); });
