// Every word that the uploader shows or says, in one place.

const seconds = (n) => (n < 60 ? `${Math.max(1, Math.ceil(n))} s` : `${Math.ceil(n / 60)} min`);

export const STATES = {
  waiting: "Waiting",
  checking: "Sent, being checked",
  paused: "Paused",
  "signed-out": "You are signed out",
  stored: "Stored",
  refused: "Not stored",
};

export const WORDS = {
  empty: "The file is empty. Check it on your device and send it again.",
  tooLarge: (size, limit) => `${size} is over the limit of ${limit}. Send a smaller file, or ask an admin to raise the limit.`,
  wrongType: (name, types) => `${name ? `.${name} files are` : "A file without an extension is"} not taken here. Allowed are ${types}.`,
  unreadable: "The file cannot be read on this device any more. Choose it again.",
  mangled: "The file arrived, but not as it is on this device. Delete it on its page and send it again.",
  odd: (status) => `The server gave an answer that was not understood (${status}).`,
  again: (pause) => (pause > 0 ? `No answer, trying again in ${seconds(pause)}` : "Trying again"),
  left: (n) => `${seconds(n)} left`,
  heading: (n) => (n === 1 ? "Uploading 1 file" : `Uploading ${n} files`),
  headingPaused: (n) => (n === 1 ? "1 file paused" : `${n} files paused`),
  headingDone: (stored, refused) => {
    if (!refused) return stored === 1 ? "1 file stored" : `${stored} files stored`;
    if (!stored) return refused === 1 ? "1 file was not stored" : `${refused} files were not stored`;
    return `${stored} stored, ${refused} not stored`;
  },
  summary: (stored, refused, left) =>
    [stored && `${stored} stored`, refused && `${refused} not stored`, left && `${left} to go`].filter(Boolean).join(", "),
  spoken: (name, words) => `${name}: ${words}`,
  signedOut: "You are signed out. Sign in again in another tab; the uploads go on by themselves.",
  signedIn: "Signed in again. The uploads go on.",
  offline: "The connection broke. The uploads go on by themselves when it is back.",
  receiptHead: (batch) => `Files stored in batch ${batch}`,
};
