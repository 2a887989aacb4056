// @ts-check
// What is known of a file before it is sent: its size as text, the parts of its name, and why it would be refused.

import { TEXTS } from "./texts.js";

/**
 * The server's rules for uploads.
 * @typedef {object} Rules
 * @property {number} maxBytes
 * @property {string} maxText `maxBytes` as text
 * @property {string} typesText the allowed types as text
 * @property {string[]} extensions the allowed ones, in lower case without the dot; empty when all are
 */

const UNITS = ["KB", "MB", "GB", "TB"];

/** @param {number} bytes */
export function sizeText(bytes) {
  if (bytes < 1024) return `${Math.round(bytes)} bytes`;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString(undefined, format)} ${UNITS[unit]}`;
}

/** @param {string} name */
function extensionOf(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/**
 * The stem, which may be cut to an ellipsis, and the tail with the extension, which may not; no emoji is split.
 * @param {string} name
 * @returns {[stem: string, tail: string]}
 */
export function splitName(name) {
  const parts =
    "Segmenter" in Intl ? Array.from(new Intl.Segmenter().segment(name), (part) => part.segment) : Array.from(name);
  const extension = extensionOf(name);
  const tail = 4 + (extension && extension.length < 12 ? Array.from(extension).length + 1 : 0);
  const cut = parts.length - Math.min(parts.length, tail);
  return [parts.slice(0, cut).join(""), parts.slice(cut).join("")];
}

/**
 * The rules as the data attributes of the form carry them.
 * @param {HTMLFormElement} form
 * @returns {Rules}
 */
export function rulesOf({ dataset }) {
  return {
    maxBytes: Number(dataset.maxBytes),
    maxText: dataset.maxText ?? "",
    typesText: dataset.typesText ?? "",
    extensions: (dataset.extensions ?? "").split(",").filter(Boolean),
  };
}

/**
 * Why the server would refuse this file, or an empty string. The server checks again, and more.
 * @param {File} file
 * @param {Rules} rules
 */
export function refusalOf(file, rules) {
  const extension = extensionOf(file.name);
  if (rules.extensions.length && !rules.extensions.includes(extension)) {
    return TEXTS.wrongType(extension, rules.typesText);
  }
  if (file.size === 0) return TEXTS.empty;
  if (file.size > rules.maxBytes) return TEXTS.tooLarge(sizeText(file.size), rules.maxText);
  return "";
}
