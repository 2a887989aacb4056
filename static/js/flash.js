// Messages can be put away.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-flash-close]");
  if (!button) return;
  button.closest("[data-flash]").remove();
  document.getElementById("main").focus({ preventScroll: true });
});
