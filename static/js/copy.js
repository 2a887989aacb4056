// @ts-check
// Buttons that copy the text in data-copy and confirm it for a moment.

/** How long the confirmation stays, in milliseconds. */
const CONFIRMATION = 1600;

document.addEventListener("click", async (event) => {
  if (!(event.target instanceof Element)) return;
  /** @type {HTMLElement | null} */
  const button = event.target.closest("[data-copy]");
  const label = button?.querySelector("span");
  if (!button || !label) return;
  const original = (button.dataset.words ??= label.textContent);
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? "");
    label.textContent = button.dataset.copied ?? "";
  } catch {
    // Browsers refuse the clipboard on plain HTTP; the text can still be selected and copied by hand.
    label.textContent = "Copy it by hand";
  }
  setTimeout(() => {
    label.textContent = original;
  }, CONFIRMATION);
});
