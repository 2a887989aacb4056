// @ts-check
// Every text that the uploader shows or announces, in one place.

/** @import { State } from './task.js' */

/** @param {number} n */
const seconds = (n) => (n < 60 ? `${Math.max(1, Math.ceil(n))} s` : `${Math.ceil(n / 60)} min`);

/**
 * States that one text describes; the others show figures too.
 * @type {Record<Exclude<State, "sending" | "retrying">, string>}
 */
export const STATES = {
  waiting: "Waiting",
  checking: "Sent, being checked",
  paused: "Paused",
  "signed-out": "You are signed out",
  stored: "Stored",
  refused: "Not stored",
};

export const TEXTS = {
  empty: "The file is empty. Check it on your device and send it again.",
  /** @type {(size: string, limit: string) => string} */
  tooLarge: (size, limit) =>
    `${size} is over the limit of ${limit}. Send a smaller file, or ask an admin to raise the limit.`,
  /** @type {(extension: string, types: string) => string} */
  wrongType: (extension, types) =>
    `${extension ? `.${extension} files are` : "A file without an extension is"} not taken here. Allowed are ${types}.`,
  unreadable: "The file cannot be read on this device any more. Choose it again.",
  corrupted: "The file arrived, but not as it is on this device. Delete it on its page and send it again.",
  /** @param {number} status */
  unexpected: (status) => `The server gave an answer that was not understood (${status}).`,
  /** @param {number} pause in seconds */
  retrying: (pause) => (pause > 0 ? `No answer, trying again in ${seconds(pause)}` : "Trying again"),
  /** @param {number} n in seconds */
  timeLeft: (n) => `${seconds(n)} left`,
  /** @param {number} n */
  uploading: (n) => (n === 1 ? "Uploading 1 file" : `Uploading ${n} files`),
  /** @param {number} n */
  paused: (n) => (n === 1 ? "1 file paused" : `${n} files paused`),
  /** @type {(stored: number, refused: number) => string} */
  finished: (stored, refused) => {
    if (!refused) return stored === 1 ? "1 file stored" : `${stored} files stored`;
    if (!stored) return refused === 1 ? "1 file was not stored" : `${refused} files were not stored`;
    return `${stored} stored, ${refused} not stored`;
  },
  /** @type {(stored: number, refused: number, left: number) => string} */
  summary: (stored, refused, left) =>
    [stored && `${stored} stored`, refused && `${refused} not stored`, left && `${left} to go`]
      .filter(Boolean)
      .join(", "),
  /** @type {(name: string, text: string) => string} */
  announcement: (name, text) => `${name}: ${text}`,
  signedOut: "You are signed out. Sign in again in another tab; the uploads go on by themselves.",
  signedIn: "Signed in again. The uploads go on.",
  offline: "The connection broke. The uploads go on by themselves when it is back.",
  /** @param {string} batch */
  receiptHead: (batch) => `Files stored in batch ${batch}`,
};
