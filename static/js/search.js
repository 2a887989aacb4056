// @ts-check
// The search field: "/" moves the focus to it; on the list of batches the list follows while the user types. Without
// scripts it is a plain form that Enter submits. The same address is fetched and its list swapped in, so both ways
// show the same.

/** Wait after a key before the list is fetched, in milliseconds. */
const DEBOUNCE = 180;
const field = /** @type {HTMLInputElement | null} */ (document.getElementById("search"));
const list = document.querySelector("[data-live-list]");

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

/**
 * The address that submitting the form leads to, without its empty fields.
 * @param {HTMLFormElement} form
 */
function addressOf(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (text) query.set(name, text);
  }
  const tail = query.toString();
  return (form.getAttribute("action") ?? "") + (tail ? `?${tail}` : "");
}

/** @type {AbortController | null} */
let running = null;

/**
 * Fetches the list that the form asks for; a request that is still running is cancelled.
 * @param {HTMLFormElement} form
 * @param {Element} list replaced by the fetched one
 */
async function refresh(form, list) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  const url = addressOf(form);
  list.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(url, { headers: { Accept: "text/html" }, signal: mine.signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-live-list]");
    if (!response.ok || !fresh) {
      // Signed out or an error: the browser shows that page.
      location.assign(url);
      return;
    }
    list.replaceChildren(...fresh.childNodes);
    list.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
    history.replaceState(null, "", url);
  } catch {
    // Cancelled by the next key, or no network: the old list stays and Enter still works.
  } finally {
    if (running === mine) list.removeAttribute("aria-busy");
  }
}

if (field?.form && list) {
  const { form } = field;
  let timer = 0;
  let last = field.value.trim();
  field.addEventListener("input", () => {
    const now = field.value.trim();
    if (now === last) return;
    last = now;
    clearTimeout(timer);
    timer = setTimeout(() => refresh(form, list), DEBOUNCE);
  });
}
