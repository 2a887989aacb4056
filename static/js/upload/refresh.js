// The page's own lists take new files in: the page is fetched again and its marked parts are swapped.

export async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-refresh]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    old.replaceWith(fresh);
    fresh.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
  }
}
