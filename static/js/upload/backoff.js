// @ts-check
// Pauses between attempts: exponential backoff with jitter, cut short when the network is back.

/** In milliseconds. */
const FIRST = 500;
const LONGEST = 15_000;

/**
 * The pause before the next attempt, in milliseconds.
 * @param {number} attempts that have failed so far
 */
export function pauseAfter(attempts) {
  const doubled = Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 10));
  return doubled * (0.75 + Math.random() / 2);
}

/**
 * Resolves after the pause, or when the device is online again; rejects with an AbortError when `signal` is aborted.
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    /** @param {() => void} settle */
    const end = (settle) => () => {
      clearTimeout(timer);
      removeEventListener("online", wake);
      signal.removeEventListener("abort", abort);
      settle();
    };
    const wake = end(resolve);
    const abort = end(() => reject(new DOMException("", "AbortError")));
    const timer = setTimeout(wake, milliseconds);
    addEventListener("online", wake);
    signal.addEventListener("abort", abort);
  });
}
