// @ts-check
// Messages can be dismissed.

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  const button = event.target.closest("[data-flash-close]");
  if (!button) return;
  button.closest("[data-flash]")?.remove();
  document.getElementById("main")?.focus({ preventScroll: true });
});
