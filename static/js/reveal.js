// @ts-check
// A checkbox that shows the password in the field whose id it names.

/** @type {NodeListOf<HTMLInputElement>} */
const checkboxes = document.querySelectorAll("[data-reveal]");

for (const checkbox of checkboxes) {
  const field = document.getElementById(checkbox.dataset.reveal ?? "");
  if (!(field instanceof HTMLInputElement)) continue;
  checkbox.addEventListener("change", () => {
    field.type = checkbox.checked ? "text" : "password";
  });
  // A password must not be sent, and remembered by the browser, as plain text.
  field.form?.addEventListener("submit", () => {
    field.type = "password";
  });
}
