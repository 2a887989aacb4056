// Ticked boxes: the count in the bar, all at once, and with Shift everything between two. What is ticked stays so when
// the list is fetched again, and "More" adds to the list in place. Without this each page of the list has its own ticks.

let last = null;
const kept = new Set();

const boxes = (form) => [...form.querySelectorAll("input.pick[name=ids]")];
const formOf = (element) => element.closest("form");

function bytesText(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1) : 0;
  const options = { style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", maximumFractionDigits: step > 1 ? 1 : 0 };
  return new Intl.NumberFormat(undefined, options).format(bytes / 1024 ** step);
}

function show(form) {
  const all = boxes(form);
  const picked = all.filter((box) => box.checked);
  for (const box of all) box.checked ? kept.add(box.value) : kept.delete(box.value);
  const bytes = picked.reduce((sum, box) => sum + Number(box.dataset.bytes ?? 0), 0);
  const words = `${picked.length.toLocaleString()} selected${bytes ? `, ${bytesText(bytes)}` : ""}`;
  for (const place of form.querySelectorAll("[data-picked-count]")) place.textContent = words;
  const head = form.querySelector("input[data-pick-all]");
  if (head) {
    head.checked = picked.length > 0 && picked.length === all.length;
    head.indeterminate = picked.length > 0 && !head.checked;
  }
}

function pickAll(form, on) {
  for (const box of boxes(form)) box.checked = on;
  show(form);
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("input.pick[name=ids]");
  if (box) {
    const form = formOf(box);
    const all = boxes(form);
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) for (const between of all.slice(from, to + 1)) between.checked = box.checked;
    last = box;
    show(form);
    return;
  }
  const button = event.target.closest("button[data-pick-all]");
  if (button) pickAll(formOf(button), true);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-pick-all]")) pickAll(formOf(event.target), event.target.checked);
});

document.addEventListener("reset", (event) => {
  // The boxes are cleared only after this event.
  setTimeout(() => show(event.target));
});

document.addEventListener("stillage:swapped", () => {
  for (const box of document.querySelectorAll("input.pick[name=ids]")) box.checked = kept.has(box.value);
  for (const bar of document.querySelectorAll(".selbar")) show(formOf(bar));
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const more = page.getElementById("file-rows");
    if (!answer.ok || !more) throw new Error("no rows");
    const rows = document.getElementById("file-rows");
    const first = more.firstElementChild;
    rows.append(...more.children);
    const next = page.getElementById("file-more");
    const nav = document.getElementById("file-more");
    if (next) nav.replaceWith(next);
    else nav.remove();
    rows.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
    first.querySelector("a").focus({ preventScroll: true });
  } catch {
    // Signed out or no network: let the browser show what there is.
    location.assign(link.href);
  }
});

// Going back in the browser's history brings the ticks back before any click.
for (const bar of document.querySelectorAll(".selbar")) show(formOf(bar));
