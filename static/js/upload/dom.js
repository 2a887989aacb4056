// @ts-check
// Finding the elements that the template of the page (templates/batches/_upload.html) provides.

/**
 * The element with this id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type such as `HTMLButtonElement`
 * @returns {T}
 * @throws {Error} when the page has no such element, or one of another type
 */
export function byId(id, type) {
  return checked(document.getElementById(id), `#${id}`, type);
}

/**
 * The first element within `root` that matches.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type such as `HTMLButtonElement`
 * @returns {T}
 * @throws {Error} when there is no such element, or one of another type
 */
export function find(root, selector, type) {
  return checked(root.querySelector(selector), selector, type);
}

/**
 * @template {Element} T
 * @param {Element | null} element
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
function checked(element, selector, type) {
  if (!(element instanceof type)) throw new Error(`${selector} is missing or not an ${type.name}`);
  return element;
}
