// What was stored in this visit, as a text to keep: who reads it later can compare the SHA-256 of any copy.

import { WORDS } from "./words.js";

export function receiptText(batch, address, tasks) {
  const lines = [WORDS.receiptHead(batch), address, ""];
  for (const { file, sha256, storedAt, attachment } of tasks) {
    lines.push(
      file.name,
      `  size     ${file.size} bytes`,
      `  SHA-256  ${sha256}`,
      `  stored   ${storedAt.toISOString()}`,
      `  address  ${new URL(`/attachments/${attachment}`, address)}`,
      "",
    );
  }
  return lines.join("\n");
}

export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  // The browser has begun to save it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
