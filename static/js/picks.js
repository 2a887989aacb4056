// @ts-check
// Selecting rows: the count in the bar, select all, and with Shift the range between two checkboxes. The selection is
// kept when the list is fetched again, and "More" adds to the list in place. Without scripts each page of the list has
// its own selection.

/** @type {HTMLInputElement | null} */
let lastClicked = null;
/** Values of the checked boxes. @type {Set<string>} */
const selected = new Set();

const CHECKBOX = "input.pick[name=ids]";

/**
 * @param {ParentNode} root
 * @returns {HTMLInputElement[]}
 */
function checkboxesIn(root) {
  return Array.from(root.querySelectorAll(CHECKBOX));
}

/**
 * @param {Element} element a checkbox or a bar; the templates put each of them into a form
 * @returns {HTMLFormElement}
 */
function formOf(element) {
  return /** @type {HTMLFormElement} */ (element.closest("form"));
}

/** @param {number} bytes */
function bytesText(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1) : 0;
  /** @type {Intl.NumberFormatOptions} */
  const options = {
    style: "unit",
    unit: units[step],
    unitDisplay: step ? "short" : "long",
    maximumFractionDigits: step > 1 ? 1 : 0,
  };
  return new Intl.NumberFormat(undefined, options).format(bytes / 1024 ** step);
}

/**
 * Shows the count and the total size of the selection.
 * @param {HTMLFormElement} form
 */
function update(form) {
  const all = checkboxesIn(form);
  const checked = all.filter((checkbox) => checkbox.checked);
  for (const checkbox of all) {
    if (checkbox.checked) selected.add(checkbox.value);
    else selected.delete(checkbox.value);
  }
  const bytes = checked.reduce((sum, checkbox) => sum + Number(checkbox.dataset.bytes ?? 0), 0);
  const text = `${checked.length.toLocaleString()} selected${bytes ? `, ${bytesText(bytes)}` : ""}`;
  for (const count of form.querySelectorAll("[data-picked-count]")) count.textContent = text;
  /** @type {HTMLInputElement | null} */
  const head = form.querySelector("input[data-pick-all]");
  if (head) {
    head.checked = checked.length > 0 && checked.length === all.length;
    head.indeterminate = checked.length > 0 && !head.checked;
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {boolean} isChecked
 */
function setAll(form, isChecked) {
  for (const checkbox of checkboxesIn(form)) checkbox.checked = isChecked;
  update(form);
}

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  /** @type {HTMLInputElement | null} */
  const checkbox = event.target.closest(CHECKBOX);
  if (checkbox) {
    const form = formOf(checkbox);
    const all = checkboxesIn(form);
    const ends = [lastClicked ? all.indexOf(lastClicked) : -1, all.indexOf(checkbox)];
    const [from, to] = ends.sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) {
      for (const between of all.slice(from, to + 1)) between.checked = checkbox.checked;
    }
    lastClicked = checkbox;
    update(form);
    return;
  }
  const button = event.target.closest("button[data-pick-all]");
  if (button) setAll(formOf(button), true);
});

document.addEventListener("change", ({ target }) => {
  if (target instanceof HTMLInputElement && target.matches("[data-pick-all]")) setAll(formOf(target), target.checked);
});

document.addEventListener("reset", ({ target }) => {
  // The checkboxes are cleared only after this event.
  if (target instanceof HTMLFormElement) setTimeout(() => update(target));
});

document.addEventListener("stillage:swapped", () => {
  for (const checkbox of checkboxesIn(document)) checkbox.checked = selected.has(checkbox.value);
  updateAll();
});

document.addEventListener("click", async (event) => {
  if (!(event.target instanceof Element)) return;
  /** @type {HTMLAnchorElement | null} */
  const link = event.target.closest("a[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const more = page.getElementById("file-rows");
    const first = more?.firstElementChild;
    const rows = document.getElementById("file-rows");
    const nav = document.getElementById("file-more");
    if (!response.ok || !more || !first || !rows || !nav) throw new Error("no rows");
    rows.append(...more.children);
    const next = page.getElementById("file-more");
    if (next) nav.replaceWith(next);
    else nav.remove();
    rows.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
    first.querySelector("a")?.focus({ preventScroll: true });
  } catch {
    // Signed out or no network: the browser shows the page at that address instead.
    location.assign(link.href);
  }
});

function updateAll() {
  for (const bar of document.querySelectorAll(".selbar")) update(formOf(bar));
}

// The browser restores checkboxes when the user goes back in its history, before any click.
updateAll();
