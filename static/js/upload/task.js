// @ts-check
// The upload of one file: created, sent, resumed after interruptions, stored or refused. Knows nothing of the page.

import { pauseAfter, sleep } from "./backoff.js";
import * as tus from "./tus.js";
import { digestOf } from "./digest.js";
import { TEXTS } from "./texts.js";

/** @import { Session } from './session.js' */

/** @typedef {"waiting"|"sending"|"checking"|"retrying"|"signed-out"|"paused"|"stored"|"refused"} State */

/**
 * What the server answered about a stored file.
 * @typedef {object} Stored
 * @property {string} attachment its id
 * @property {string} sha256 in hexadecimal
 * @property {Date} at
 */

/**
 * What a change of state may change with it.
 * @typedef {Partial<Pick<Task, "message" | "canRetry" | "sent" | "stored" | "retryAt" | "rate">>} Changes
 */

/** Period over which the speed is measured, in milliseconds. */
const RATE_WINDOW = 4000;
/** Attempts after internal errors of the server; there is no such limit while it cannot be reached. */
const MAX_FAILURES = 5;

/** Fires "change" when its state or its progress changes. */
export class Task extends EventTarget {
  /**
   * @param {File} file
   * @param {string} batch its id
   * @param {Session} session
   */
  constructor(file, batch, session) {
    super();
    this.file = file;
    this.batch = batch;
    this.session = session;
    /** @type {State} */
    this.state = "waiting";
    /** Bytes that have left this device. */
    this.sent = 0;
    /** Why the file was refused. */
    this.message = "";
    this.canRetry = false;
    /** @type {Stored | null} */
    this.stored = null;
    /** When the next attempt starts, on the clock of `performance.now()`. */
    this.retryAt = 0;
    /** Address of the upload on the server; empty before it is created. */
    this.url = "";
    /**
     * Bytes that the server has; undefined when that has to be asked.
     * @type {number | undefined}
     */
    this.offset = undefined;
    /**
     * Measurements of the last seconds.
     * @type {[time: number, sent: number][]}
     */
    this.rate = [];
    this.attempts = 0;
    this.failures = 0;
    /** @type {AbortController | null} */
    this.controller = null;
  }

  get isActive() {
    return ["sending", "checking", "retrying", "signed-out"].includes(this.state);
  }

  get isFinished() {
    return this.state === "stored" || this.state === "refused";
  }

  /**
   * @param {State} state
   * @param {Changes} [changes]
   */
  setState(state, changes = {}) {
    Object.assign(this, changes, { state });
    this.dispatchEvent(new Event("change"));
  }

  /**
   * @param {string} message
   * @param {boolean} [canRetry]
   */
  refuse(message, canRetry = false) {
    this.setState("refused", { message, canRetry });
  }

  /** Queues the file again after a pause or a refusal. Bytes that the server has are not sent twice. */
  restart() {
    this.attempts = 0;
    this.failures = 0;
    this.setState("waiting", { message: "" });
  }

  pause() {
    this.controller?.abort();
    this.setState("paused");
  }

  /** Stops the upload and deletes it on the server, unless the file is stored already. */
  cancel() {
    this.controller?.abort();
    if (!this.url || this.state === "stored") return;
    // When the server cannot be reached now, the upload expires there by itself.
    tus.cancel({ url: this.url, token: this.session.token }).catch(() => {});
  }

  /** Sends the file; returns when it is finished, paused or cancelled. */
  async run() {
    const controller = new AbortController();
    this.controller = controller;
    this.rate = [];
    this.setState("sending");
    try {
      while (!this.isFinished) {
        controller.signal.throwIfAborted();
        await this.attempt(controller.signal);
      }
    } catch (error) {
      // Paused or cancelled: the caller has set the state.
      if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
    }
  }

  /**
   * One request; returns when the file is finished, or when another request has to follow.
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async attempt(signal) {
    let response;
    try {
      response = await this.request(signal);
    } catch (error) {
      if (!(error instanceof tus.Failed)) throw error;
      if (!(await isReadable(this.file))) return this.refuse(TEXTS.unreadable);
      return this.wait(signal);
    }
    if (response.status < 300) {
      this.attempts = 0;
      return this.advance(response);
    }
    return this.recover(response, signal);
  }

  /**
   * The next request: create the upload, ask for its offset, or send the rest.
   * @param {AbortSignal} signal
   */
  async request(signal) {
    const { file, batch, session, url, offset } = this;
    if (!url) return tus.create({ file, batch, token: session.token, signal });
    if (offset === undefined) return tus.getOffset({ url, signal });
    this.offset = undefined;
    this.setState("sending", { sent: offset });
    return tus.append({ url, file, offset, token: session.token, signal, onProgress: (sent) => this.progress(sent) });
  }

  /**
   * After a success.
   * @param {tus.Response} response
   */
  async advance(response) {
    const location = response.header("Location");
    if (location) this.url = location;
    const attachment = response.header("X-Attachment-Id");
    if (!attachment) {
      this.offset = Number(response.header("Upload-Offset"));
      return;
    }
    const sha256 = response.header("X-Attachment-Sha256");
    const at = new Date(response.header("Date") || Date.now());
    const own = await digestOf(this.file);
    if (own && sha256 && own !== sha256) return this.refuse(TEXTS.corrupted, false);
    this.setState("stored", { stored: { attachment, sha256, at }, sent: this.file.size });
  }

  /**
   * After an error: prepares the next request, waits, or refuses the file.
   * @param {tus.Response} response
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async recover({ status, error, header }, signal) {
    if (status === 401) {
      this.setState("signed-out");
      await Promise.race([this.session.restored(), aborted(signal)]);
      this.setState("sending");
      return;
    }
    // The token of an older session: it is read again from this page.
    if (status === 403 && error?.code === "csrf" && this.failures++ < MAX_FAILURES) {
      if (await this.session.refresh()) return;
      return this.wait(signal);
    }
    // The upload has expired, or another user is signed in now: from the start.
    const isGone = this.url && [404, 410].includes(status);
    if (isGone && this.failures++ < MAX_FAILURES) {
      this.url = "";
      this.offset = undefined;
      return;
    }
    if (status === 409 && error?.code === "offset_mismatch") return;
    const isAway = [408, 423, 429, 502, 503, 504].includes(status);
    if (isAway || (status === 500 && this.failures++ < MAX_FAILURES)) {
      return this.wait(signal, Number(header("Retry-After")) * 1000);
    }
    // After a refusal the server has deleted the upload; another attempt creates a new one.
    if (status !== 507) this.url = "";
    this.refuse(error?.message ?? TEXTS.unexpected(status), status >= 500 || status === 403 || status === 409);
  }

  /**
   * Waits for the next attempt.
   * @param {AbortSignal} signal
   * @param {number} [atLeast] in milliseconds; NaN counts as 0
   */
  async wait(signal, atLeast = 0) {
    this.offset = undefined;
    const pause = Math.max(atLeast || 0, pauseAfter(this.attempts++));
    this.setState("retrying", { retryAt: performance.now() + pause, rate: [] });
    await sleep(pause, signal);
    this.setState("sending");
  }

  /** @param {number} sent bytes since the start of the file */
  progress(sent) {
    const now = performance.now();
    this.sent = sent;
    this.rate.push([now, sent]);
    while (this.rate.length > 2 && now - this.rate[0][0] > RATE_WINDOW) this.rate.shift();
    this.setState(sent >= this.file.size ? "checking" : "sending");
  }

  /** Bytes per second over the last few seconds; 0 while it is not known. */
  get speed() {
    if (this.state !== "sending" || this.rate.length < 2) return 0;
    const [from, sentThen] = this.rate[0];
    const [to, sentNow] = this.rate[this.rate.length - 1];
    return to > from ? ((sentNow - sentThen) / (to - from)) * 1000 : 0;
  }
}

/**
 * Rejects with an AbortError when `signal` is aborted; never resolves.
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
function aborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")), { once: true });
  });
}

/**
 * A file that was moved or changed on the device fails in the same way as a broken connection.
 * @param {File} file
 */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
