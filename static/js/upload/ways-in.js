// How files get in: chosen, taken with the camera, dropped anywhere on the page, pasted.

/** @param add called with the files */
export function waysIn({ form, inputs, veil, add }) {
  const take = (input) => {
    add(Array.from(input.files));
    input.value = "";
  };
  for (const input of inputs) input.addEventListener("change", () => take(input));
  // What was chosen before this module was there is sent by the form's own button.
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    inputs.forEach(take);
  });

  let depth = 0;
  const on = (type, act) => document.addEventListener(type, (event) => {
    if (!Array.from(event.dataTransfer?.types ?? []).includes("Files")) return;
    event.preventDefault();
    act(event);
    veil.hidden = depth === 0;
  });
  on("dragenter", () => { depth += 1; });
  on("dragover", (event) => { event.dataTransfer.dropEffect = "copy"; });
  on("dragleave", () => { depth = Math.max(0, depth - 1); });
  on("drop", (event) => {
    depth = 0;
    add(Array.from(event.dataTransfer.files));
  });

  document.addEventListener("paste", (event) => {
    const files = Array.from(event.clipboardData?.files ?? []);
    if (!files.length) return;
    event.preventDefault();
    add(files.map(named));
  });
}

/** Browsers call every pasted picture "image.png": it gets a name that can be told apart. */
function named(file) {
  if (file.name !== "image.png") return file;
  const stamp = new Date().toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "");
  return new File([file], `pasted_${stamp}.png`, { type: file.type });
}
