// Read aloud by screen readers; speeds and percents are not, they would never end.

const KEPT_LINES = 20;

export function say(region, text) {
  // Added, not replaced: files that end in the same moment must all be heard.
  const line = document.createElement("p");
  line.textContent = text;
  region.append(line);
  while (region.children.length > KEPT_LINES) region.firstElementChild.remove();
}
