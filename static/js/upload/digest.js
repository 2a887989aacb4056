// The SHA-256 of a file on this device, where the browser can compute it: small enough for memory, and on a page that
// came over HTTPS or from this very machine.

const LARGEST = 64 * 1024 * 1024;

/** In hexadecimal, or an empty string when it cannot be had. */
export async function digestOf(file) {
  if (!globalThis.crypto?.subtle || file.size > LARGEST) return "";
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return "";
  }
}
