// Pictures that were still being made when the page was: each is asked for until it is there, and put in its place.
// Lists show an icon meanwhile, and for good when there will be none. Without this module the icon stays until the
// page is loaded again.

// In milliseconds; after the last one it is left to the next visit.
const PAUSES = [300, 500, 700, 1000, 1000, 2000, 2000, 4000, 4000, 8000, 8000, 15000];
// A page is loaded again a little after its picture is there: what else it shows is recorded last.
const SETTLE = 500;

const wait = (pause) => new Promise((resolve) => setTimeout(resolve, pause));

/** The picture as soon as it is made; null when there will be none, or not soon. */
async function made(url) {
  for (const pause of PAUSES) {
    try {
      const answer = await fetch(url);
      if (answer.status === 200) return await answer.blob();
      if (answer.status !== 202) return null;
    } catch {
      // No network for a moment.
    }
    await wait(pause);
  }
  return null;
}

async function fill(place) {
  const blob = await made(place.dataset.thumb);
  if (!blob) return;
  const picture = new Image(320, 240);
  picture.className = place.className.replace("thumb-wait", "thumb");
  picture.alt = "";
  picture.src = URL.createObjectURL(blob);
  try {
    await picture.decode();
    place.replaceWith(picture);
  } finally {
    URL.revokeObjectURL(picture.src);
  }
}

// Only what is looked at is asked for.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    fill(entry.target).catch(() => {});
  }
}, { rootMargin: "200px" });

function watch(root) {
  for (const place of root.querySelectorAll("[data-thumb]")) seen.observe(place);
}

watch(document);
document.addEventListener("stillage:swapped", (event) => watch(event.target));

const pending = document.querySelector("[data-pending]");
if (pending) {
  const blob = await made(pending.dataset.pending);
  if (blob) {
    await wait(SETTLE);
    location.reload();
  } else {
    pending.querySelector("[role=status]").textContent = "There is no preview yet. Load the page again later, or download the file.";
  }
}
