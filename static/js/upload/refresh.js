// @ts-check
// Shows new files in the page's own lists: the page is fetched again and the elements with data-refresh are swapped.

export async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-refresh]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    old.replaceWith(fresh);
    fresh.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
  }
}
