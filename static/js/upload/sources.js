// @ts-check
// Where files come from: chosen, taken with the camera, dropped anywhere on the page, pasted.

/**
 * @param {object} options
 * @param {HTMLFormElement} options.form
 * @param {HTMLInputElement[]} options.inputs
 * @param {HTMLElement} options.veil shown while files are dragged over the page
 * @param {(files: File[]) => void} options.add
 */
export function listenForFiles({ form, inputs, veil, add }) {
  /** @param {HTMLInputElement} input */
  const take = (input) => {
    add(Array.from(input.files ?? []));
    input.value = "";
  };
  for (const input of inputs) input.addEventListener("change", () => take(input));
  // Files that were chosen before this module was loaded are sent by the form's own button.
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    inputs.forEach(take);
  });

  // "dragenter" and "dragleave" are fired for every element that the pointer crosses.
  let depth = 0;
  /**
   * Handles drags of files, and no others.
   * @param {"dragenter" | "dragover" | "dragleave" | "drop"} type
   * @param {(transfer: DataTransfer) => void} handle
   */
  const on = (type, handle) =>
    document.addEventListener(type, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      handle(event.dataTransfer);
      veil.hidden = depth === 0;
    });
  on("dragenter", () => {
    depth += 1;
  });
  on("dragover", (transfer) => {
    transfer.dropEffect = "copy";
  });
  on("dragleave", () => {
    depth = Math.max(0, depth - 1);
  });
  on("drop", (transfer) => {
    depth = 0;
    add(Array.from(transfer.files));
  });

  document.addEventListener("paste", (event) => {
    const files = Array.from(event.clipboardData?.files ?? []);
    if (!files.length) return;
    event.preventDefault();
    add(files.map(renamed));
  });
}

/**
 * Browsers name every pasted picture "image.png": it gets a distinct name.
 * @param {File} file
 */
function renamed(file) {
  if (file.name !== "image.png") return file;
  const stamp = new Date().toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "");
  return new File([file], `pasted_${stamp}.png`, { type: file.type });
}
