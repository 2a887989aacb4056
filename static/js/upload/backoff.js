// Pauses between attempts: longer each time, never the same for all, and over as soon as the network is back.

const FIRST = 500;
const LONGEST = 15_000;

export function pauseAfter(attempts) {
  const doubled = Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 10));
  return doubled * (0.75 + Math.random() / 2);
}

/** Resolves after the pause, or when the device is online again; rejects when `signal` is aborted. */
export function rest(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const end = (settle) => () => {
      clearTimeout(timer);
      removeEventListener("online", early);
      signal.removeEventListener("abort", stop);
      settle();
    };
    const early = end(resolve);
    const stop = end(() => reject(new DOMException("", "AbortError")));
    const timer = setTimeout(early, milliseconds);
    addEventListener("online", early);
    signal.addEventListener("abort", stop);
  });
}
