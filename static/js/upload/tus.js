// @ts-check
// Resumable uploads over HTTP (tus 1.0.0): one function per request, and all that knows how bytes travel. Every
// function resolves to the server's response, whatever its status, or rejects with a Failed or an AbortError.

/**
 * @typedef {object} Response
 * @property {number} status
 * @property {(name: string) => string} header its value, or an empty string
 * @property {{ code?: string, message?: string } | null} error the `error` member of a JSON body
 */

/** No response came: the network or the server is away. */
export class Failed extends Error {}

const VERSION = "1.0.0";
/** Longest wait after the last byte was sent, in milliseconds: after that the connection is dead. */
const SILENCE = 90_000;

/** @param {string} text */
function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

/**
 * Begins an upload; its address is in the response's Location.
 * @param {{ batch: string, file: File, token: string, signal: AbortSignal }} options
 */
export function create({ batch, file, token, signal }) {
  const metadata = Object.entries({ batch_id: batch, filename: file.name, filetype: file.type });
  return request("POST", "/uploads", {
    token,
    signal,
    headers: {
      "Upload-Length": String(file.size),
      "Upload-Metadata": metadata.map(([key, value]) => `${key} ${base64(value)}`).join(","),
    },
  });
}

/**
 * Asks for the offset that the server has reached.
 * @param {{ url: string, signal: AbortSignal }} options
 */
export function getOffset({ url, signal }) {
  return request("HEAD", url, { signal });
}

/**
 * Sends the rest of the file. `onProgress(bytes)` counts from the start of the file.
 * @param {object} options
 * @param {string} options.url
 * @param {File} options.file
 * @param {number} options.offset
 * @param {string} options.token
 * @param {AbortSignal} options.signal
 * @param {(bytes: number) => void} options.onProgress
 */
export function append({ url, file, offset, token, signal, onProgress }) {
  return request("PATCH", url, {
    token,
    signal,
    headers: { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
    body: file.slice(offset),
    onProgress: (sent) => onProgress(offset + sent),
  });
}

/** @param {{ url: string, token: string }} options */
export function cancel({ url, token }) {
  return request("DELETE", url, { token });
}

/**
 * fetch cannot report how much was sent; XMLHttpRequest can.
 * @param {string} method
 * @param {string} url
 * @param {object} options
 * @param {string} [options.token]
 * @param {AbortSignal} [options.signal]
 * @param {Record<string, string>} [options.headers]
 * @param {Blob | null} [options.body]
 * @param {((bytes: number) => void) | null} [options.onProgress]
 * @returns {Promise<Response>}
 */
function request(method, url, { token, signal, headers = {}, body = null, onProgress = null }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let silence = 0;
    const watch = () => {
      clearTimeout(silence);
      silence = setTimeout(() => xhr.abort(), SILENCE);
    };
    const abort = () => xhr.abort();
    const end = () => {
      clearTimeout(silence);
      signal?.removeEventListener("abort", abort);
    };
    xhr.open(method, url);
    xhr.setRequestHeader("Tus-Resumable", VERSION);
    if (token) xhr.setRequestHeader("X-CSRF-Token", token);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (onProgress) {
      xhr.upload.addEventListener("progress", (event) => {
        watch();
        onProgress(event.loaded);
      });
    }
    xhr.addEventListener("load", () => resolve(responseOf(xhr)));
    xhr.addEventListener("error", () => reject(new Failed()));
    xhr.addEventListener("abort", () => reject(signal?.aborted ? new DOMException("", "AbortError") : new Failed()));
    xhr.addEventListener("loadend", end);
    if (signal?.aborted) {
      reject(new DOMException("", "AbortError"));
      return;
    }
    signal?.addEventListener("abort", abort);
    watch();
    xhr.send(body);
  });
}

/**
 * @param {XMLHttpRequest} xhr
 * @returns {Response}
 */
function responseOf(xhr) {
  let error = null;
  try {
    error = JSON.parse(xhr.responseText).error ?? null;
  } catch {
    // HEAD has no body, and a proxy's is not JSON: the status has to do.
  }
  return { status: xhr.status, header: (name) => xhr.getResponseHeader(name) ?? "", error };
}
