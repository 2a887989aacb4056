// Buttons that copy the text in data-copy and say so for a moment.

const SHOWN = 1600;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.querySelector("span");
  const words = (button.dataset.words ??= label.textContent);
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = button.dataset.copied;
  } catch {
    // Browsers refuse the clipboard on plain HTTP; the text can still be selected and copied by hand.
    label.textContent = "Copy it by hand";
  }
  setTimeout(() => { label.textContent = words; }, SHOWN);
});
