// Resumable uploads over HTTP (tus 1.0.0): one function per request. This is all that knows how bytes travel.
// Every function resolves to { status, header(name), error } or rejects with a Failed or an AbortError.

/** No answer came: the network or the server is away. */
export class Failed extends Error {}

const VERSION = "1.0.0";
/** No answer for so long after the last byte went out: the connection is dead. */
const SILENCE = 90_000;

function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

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

export function look({ url, signal }) {
  return request("HEAD", url, { signal });
}

/** Sends all that is missing. `onProgress(bytes)` counts from the start of the file. */
export function append({ url, file, offset, token, signal, onProgress }) {
  return request("PATCH", url, {
    token,
    signal,
    headers: { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
    body: file.slice(offset),
    onProgress: (sent) => onProgress(offset + sent),
  });
}

export function cancel({ url, token }) {
  return request("DELETE", url, { token });
}

/** fetch cannot tell how much was sent; XMLHttpRequest can. */
function request(method, url, { token, signal, headers = {}, body = null, onProgress = null }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let silence = 0;
    const watch = () => {
      clearTimeout(silence);
      silence = setTimeout(() => xhr.abort(), SILENCE);
    };
    const abort = () => xhr.abort();
    const over = () => {
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
    xhr.addEventListener("load", () => resolve(answerOf(xhr)));
    xhr.addEventListener("error", () => reject(new Failed()));
    xhr.addEventListener("abort", () => reject(signal?.aborted ? new DOMException("", "AbortError") : new Failed()));
    xhr.addEventListener("loadend", over);
    if (signal?.aborted) {
      reject(new DOMException("", "AbortError"));
      return;
    }
    signal?.addEventListener("abort", abort);
    watch();
    xhr.send(body);
  });
}

function answerOf(xhr) {
  let error = null;
  try {
    error = JSON.parse(xhr.responseText).error ?? null;
  } catch {
    // HEAD has no body, and a proxy answers in its own words; the status has to do.
  }
  return { status: xhr.status, header: (name) => xhr.getResponseHeader(name) ?? "", error };
}
