// @ts-check
// Thumbnails and previews that were not ready when the page was rendered: each is requested until it is ready, then
// shown. Lists show an icon meanwhile, and permanently when there will be no preview. Without scripts the icon stays
// until the page is loaded again.

/** Pauses between requests, in milliseconds; after the last one the preview is left to the next visit. */
const PAUSES = [300, 500, 700, 1000, 1000, 2000, 2000, 4000, 4000, 8000, 8000, 15000];
/** Wait before the page is loaded again, in milliseconds: what else it shows is recorded after the preview. */
const SETTLE = 500;

/** @param {number} milliseconds */
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * The preview as soon as it is ready; null when there will be none, or not soon.
 * @param {string} url
 * @returns {Promise<Blob | null>}
 */
async function poll(url) {
  for (const pause of PAUSES) {
    try {
      const response = await fetch(url);
      if (response.status === 200) return await response.blob();
      if (response.status !== 202) return null;
    } catch {
      // The network is down for a moment: the next request may succeed.
    }
    await sleep(pause);
  }
  return null;
}

/** @param {HTMLElement} placeholder with the address of its thumbnail in data-thumb */
async function fill(placeholder) {
  const blob = await poll(placeholder.dataset.thumb ?? "");
  if (!blob) return;
  const image = new Image(320, 240);
  image.className = placeholder.className.replace("thumb-wait", "thumb");
  image.alt = "";
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    placeholder.replaceWith(image);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

// Only thumbnails that are scrolled into view are requested.
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      // A picture that cannot be decoded leaves the icon in place.
      fill(/** @type {HTMLElement} */ (entry.target)).catch(() => {});
    }
  },
  { rootMargin: "200px" },
);

/** @param {ParentNode} root */
function observe(root) {
  for (const placeholder of root.querySelectorAll("[data-thumb]")) observer.observe(placeholder);
}

observe(document);
document.addEventListener("stillage:swapped", ({ target }) => {
  if (target instanceof Element) observe(target);
});

/** @type {HTMLElement | null} */
const pending = document.querySelector("[data-pending]");
if (pending) {
  const blob = await poll(pending.dataset.pending ?? "");
  const status = pending.querySelector("[role=status]");
  if (blob) {
    await sleep(SETTLE);
    location.reload();
  } else if (status) {
    status.textContent = "There is no preview yet. Load the page again later, or download the file.";
  }
}
