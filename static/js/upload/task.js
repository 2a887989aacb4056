// One file on its way: created, sent, resumed after whatever happened, stored or refused. Knows nothing of the page.

import { pauseAfter, rest } from "./backoff.js";
import * as tus from "./tus.js";
import { digestOf } from "./digest.js";
import { WORDS } from "./words.js";

const RATE_WINDOW = 4000;
/** A server that fails in its own code is asked so often; what may be away comes back some day. */
const FAILURES = 5;

/** @typedef {"waiting"|"sending"|"checking"|"retrying"|"signed-out"|"paused"|"stored"|"refused"} State */

export class Task extends EventTarget {
  constructor(file, batch, session) {
    super();
    Object.assign(this, { file, batch, session });
    /** @type {State} */
    this.state = "waiting";
    this.sent = 0;
    this.message = "";
    this.canRetry = false;
    this.attachment = "";
    this.sha256 = "";
    this.storedAt = null;
    this.retryAt = 0;
    this.url = "";
    this.rate = [];
    this.attempts = 0;
    this.failures = 0;
    this.control = null;
  }

  get isActive() {
    return ["sending", "checking", "retrying", "signed-out"].includes(this.state);
  }

  get isOver() {
    return this.state === "stored" || this.state === "refused";
  }

  become(state, more = {}) {
    Object.assign(this, more, { state });
    this.dispatchEvent(new Event("change"));
  }

  refuse(message, canRetry = false) {
    this.become("refused", { message, canRetry });
  }

  /** Waiting again, to start when its turn comes. What is on the server already is not sent twice. */
  again() {
    this.attempts = 0;
    this.failures = 0;
    this.become("waiting", { message: "" });
  }

  pause() {
    this.control?.abort();
    this.become("paused");
  }

  /** Stops, and forgets what the server has. */
  drop() {
    this.control?.abort();
    if (!this.url || this.state === "stored") return;
    // What cannot be told now expires by itself.
    tus.cancel({ url: this.url, token: this.session.token }).catch(() => {});
  }

  async run() {
    const control = new AbortController();
    this.control = control;
    this.rate = [];
    this.become("sending");
    try {
      while (!this.isOver) {
        control.signal.throwIfAborted();
        await this.attempt(control.signal);
      }
    } catch (error) {
      // Paused or removed: whoever did it has said so.
      if (error.name !== "AbortError") throw error;
    }
  }

  /** One round of requests; returns when the file is over, or when there is to be another round. */
  async attempt(signal) {
    let answer;
    try {
      answer = await this.step(signal);
    } catch (error) {
      if (!(error instanceof tus.Failed)) throw error;
      if (!(await isReadable(this.file))) return this.refuse(WORDS.unreadable);
      return this.wait(signal);
    }
    if (answer.status < 300) {
      this.attempts = 0;
      return this.advance(answer);
    }
    return this.recover(answer, signal);
  }

  /** The next request: begin, ask how far it came, or send the rest. */
  async step(signal) {
    const { file, batch, session } = this;
    if (!this.url) return tus.create({ file, batch, token: session.token, signal });
    if (this.offset === undefined) return tus.look({ url: this.url, signal });
    const { url, offset } = this;
    this.offset = undefined;
    this.become("sending", { sent: offset });
    return tus.append({ url, file, offset, token: session.token, signal, onProgress: (sent) => this.progress(sent) });
  }

  async advance(answer) {
    const location = answer.header("Location");
    if (location) this.url = location;
    const attachment = answer.header("X-Attachment-Id");
    if (!attachment) {
      this.offset = Number(answer.header("Upload-Offset"));
      return;
    }
    const sha256 = answer.header("X-Attachment-Sha256");
    const date = new Date(answer.header("Date") || Date.now());
    const own = await digestOf(this.file);
    if (own && sha256 && own !== sha256) return this.refuse(WORDS.mangled, false);
    this.become("stored", { attachment, sha256, storedAt: date, sent: this.file.size });
  }

  async recover({ status, error, header }, signal) {
    if (status === 401) {
      this.become("signed-out");
      await Promise.race([this.session.restored(), aborted(signal)]);
      this.become("sending");
      return;
    }
    // The token of an older session: this page's is read anew.
    if (status === 403 && error?.code === "csrf" && this.failures++ < FAILURES) {
      if (await this.session.refresh()) return;
      return this.wait(signal);
    }
    // Over on the server, or somebody else is signed in now: from the start.
    const isGone = this.url && [404, 410].includes(status);
    if (isGone && this.failures++ < FAILURES) {
      this.url = "";
      this.offset = undefined;
      return;
    }
    if (status === 409 && error?.code === "offset_mismatch") return;
    const isAway = [408, 423, 429, 502, 503, 504].includes(status);
    if (isAway || (status === 500 && this.failures++ < FAILURES)) {
      return this.wait(signal, Number(header("Retry-After")) * 1000);
    }
    // After a refusal the server has forgotten the upload; another try begins a new one.
    if (status !== 507) this.url = "";
    this.refuse(error?.message ?? WORDS.odd(status), status >= 500 || status === 403 || status === 409);
  }

  async wait(signal, atLeast = 0) {
    this.offset = undefined;
    const pause = Math.max(atLeast || 0, pauseAfter(this.attempts++));
    this.become("retrying", { retryAt: performance.now() + pause, rate: [] });
    await rest(pause, signal);
    this.become("sending");
  }

  progress(sent) {
    const now = performance.now();
    this.sent = sent;
    this.rate.push([now, sent]);
    while (this.rate.length > 2 && now - this.rate[0][0] > RATE_WINDOW) this.rate.shift();
    this.become(sent >= this.file.size ? "checking" : "sending");
  }

  /** Bytes per second over the last few seconds; 0 while it is not known. */
  get speed() {
    if (this.state !== "sending" || this.rate.length < 2) return 0;
    const [from, sentThen] = this.rate[0];
    const [to, sentNow] = this.rate[this.rate.length - 1];
    return to > from ? ((sentNow - sentThen) / (to - from)) * 1000 : 0;
  }
}

function aborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")), { once: true });
  });
}

/** A file that was moved or changed on the device fails just as a broken connection does. */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
