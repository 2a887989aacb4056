// @ts-check
// What was stored in this visit, as a text to keep: any copy can later be compared by its SHA-256.

import { TEXTS } from "./texts.js";

/** @import { Task } from './task.js' */

/**
 * @param {string} batch its number
 * @param {string} address of the page
 * @param {Task[]} tasks those that are not stored are left out
 */
export function receiptText(batch, address, tasks) {
  const lines = [TEXTS.receiptHead(batch), address, ""];
  for (const { file, stored } of tasks) {
    if (!stored) continue;
    lines.push(
      file.name,
      `  size     ${file.size} bytes`,
      `  SHA-256  ${stored.sha256}`,
      `  stored   ${stored.at.toISOString()}`,
      `  address  ${new URL(`/attachments/${stored.attachment}`, address)}`,
      "",
    );
  }
  return lines.join("\n");
}

/**
 * Saves a text as a file on this device.
 * @param {string} name
 * @param {string} text
 */
export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  // The browser has begun to save it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
