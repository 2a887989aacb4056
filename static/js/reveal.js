// A tick box that shows the password whose id it names.

for (const box of document.querySelectorAll("[data-reveal]")) {
  const field = document.getElementById(box.dataset.reveal);
  box.addEventListener("change", () => { field.type = box.checked ? "text" : "password"; });
  // A password must not be sent, and remembered by the browser, as plain text.
  field.form.addEventListener("submit", () => { field.type = "password"; });
}
