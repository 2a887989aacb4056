// @ts-check
// The SHA-256 of a file on this device, where the browser can compute it: the file is small enough for memory, and the
// page came over HTTPS or from this machine.

/** In bytes. */
const LARGEST = 64 * 1024 * 1024;

/**
 * In hexadecimal, or an empty string when it cannot be computed.
 * @param {File} file
 */
export async function digestOf(file) {
  if (!globalThis.crypto?.subtle || file.size > LARGEST) return "";
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return "";
  }
}
