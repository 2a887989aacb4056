// What is known of a file before it is sent: its size in words, the parts of its name, and why it would be refused.

import { WORDS } from "./words.js";

const UNITS = ["KB", "MB", "GB", "TB"];

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

function extensionOf(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/** The stem may be cut to an ellipsis, the tail with the extension stays; no emoji is split. */
export function splitName(name) {
  const parts = "Segmenter" in Intl ? Array.from(new Intl.Segmenter().segment(name), (part) => part.segment) : Array.from(name);
  const extension = extensionOf(name);
  const tail = 4 + (extension && extension.length < 12 ? Array.from(extension).length + 1 : 0);
  const cut = parts.length - Math.min(parts.length, tail);
  return [parts.slice(0, cut).join(""), parts.slice(cut).join("")];
}

/** The rules of the server, as the form carries them. */
export function rulesOf(form) {
  return {
    maxBytes: Number(form.dataset.maxBytes),
    maxText: form.dataset.maxText,
    typesText: form.dataset.typesText,
    extensions: form.dataset.extensions.split(",").filter(Boolean),
  };
}

/** Why this file would be refused, or an empty string. The server checks again, and more. */
export function objection(file, rules) {
  const extension = extensionOf(file.name);
  if (rules.extensions.length && !rules.extensions.includes(extension)) return WORDS.wrongType(extension, rules.typesText);
  if (file.size === 0) return WORDS.empty;
  if (file.size > rules.maxBytes) return WORDS.tooLarge(sizeText(file.size), rules.maxText);
  return "";
}
