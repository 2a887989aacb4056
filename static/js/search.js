// The search field: "/" goes there; on the list of batches the list follows while typing. Without this it is a plain
// form that Enter sends. The same address is fetched and its list put in place, so both ways show the same.

const PAUSE = 180;
const field = document.getElementById("search");
const list = document.querySelector("[data-live-list]");

function isTyping(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

function address() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(field.form)) {
    const text = value.trim();
    if (text) query.set(name, text);
  }
  const tail = query.toString();
  return field.form.getAttribute("action") + (tail ? `?${tail}` : "");
}

let running = null;

async function refresh() {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  const url = address();
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: mine.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live-list]");
    if (!answer.ok || !fresh) {
      // Signed out or an error: let the browser show that page.
      location.assign(url);
      return;
    }
    list.replaceChildren(...fresh.childNodes);
    list.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
    history.replaceState(null, "", url);
  } catch {
    // Aborted by the next key, or no network: the old list stays and Enter still works.
  } finally {
    if (running === mine) list.removeAttribute("aria-busy");
  }
}

if (field && list) {
  let timer = 0;
  let last = field.value.trim();
  field.addEventListener("input", () => {
    const now = field.value.trim();
    if (now === last) return;
    last = now;
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  });
}
