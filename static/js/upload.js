// Uploads from a batch's page: drop files anywhere, paste them, choose them, or take a photo. Every file is checked
// against the rules of the form, sent by itself, and gets a row that says how far it is and what became of it.
// Without this module the form sends the chosen files in one request and the server's answer lists them.

const PARALLEL = 3;
const RATE_WINDOW = 4000;
const DRAW_EVERY = 200;
const KEPT_LINES = 20;

const WORDS = {
  waiting: "Waiting",
  checking: "Sent, being checked",
  stored: "Stored",
  refused: "Not stored",
  empty: "The file is empty. Check it on your device and send it again.",
  tooLarge: (size, limit) => `${size} is over the limit of ${limit}. Send a smaller file, or ask an admin to raise the limit.`,
  wrongType: (name, types) => `${name ? `.${name} files are` : "A file without an extension is"} not taken here. Allowed are ${types}.`,
  network: "The connection broke. The file is still on this device.",
  signedOut: "You are signed out. Sign in again in another tab, then come back and try again.",
  odd: (status) => `The server gave an answer that was not understood (${status}).`,
  leftSeconds: (n) => (n < 60 ? `${Math.max(1, Math.ceil(n))} s left` : `${Math.ceil(n / 60)} min left`),
  heading: (n) => (n === 1 ? "Uploading 1 file" : `Uploading ${n} files`),
  headingDone: (stored, refused) => {
    if (!refused) return stored === 1 ? "1 file stored" : `${stored} files stored`;
    if (!stored) return refused === 1 ? "1 file was not stored" : `${refused} files were not stored`;
    return `${stored} stored, ${refused} not stored`;
  },
  summary: (stored, refused, left) =>
    [stored && `${stored} stored`, refused && `${refused} not stored`, left && `${left} to go`].filter(Boolean).join(", "),
  spoken: (name, words) => `${name}: ${words}`,
};

const form = document.getElementById("upload");
const chooser = document.getElementById("files");
const camera = document.getElementById("camera");
const veil = document.getElementById("drop-veil");
const queue = document.getElementById("queue");
const list = document.getElementById("queue-rows");
const rowTemplate = document.getElementById("queue-row");
const title = document.getElementById("queue-title");
const words = document.getElementById("queue-words");
const bar = document.getElementById("queue-bar");
const live = document.getElementById("queue-live");
const showLink = document.getElementById("queue-show");
const clearButton = document.getElementById("queue-clear");

const rules = {
  maxBytes: Number(form.dataset.maxBytes),
  maxText: form.dataset.maxText,
  typesText: form.dataset.typesText,
  extensions: form.dataset.extensions.split(",").filter(Boolean),
};

/** @typedef {"waiting" | "sending" | "checking" | "stored" | "refused"} State */
/** Every file of this visit, in the order it was added. */
const items = [];

// ---- transport -------------------------------------------------------------------------------------------------

/**
 * Sends one file. This is all that knows how bytes travel; a resumable transport takes its place without touching the
 * rest. `onProgress(sentBytes)` is called while it runs. The promise never rejects:
 * `{stored: true, url}`, `{stored: false, message, retry}` or `{stored: false, cancelled: true}`.
 */
function send(file, { action, token, onProgress, signal }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const fail = (message, retry) => resolve({ stored: false, message, retry });
    request.open("POST", action);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", token);
    request.upload.addEventListener("progress", (event) => {
      // The form around the file has bytes of its own: only the share counts.
      if (event.lengthComputable) onProgress((event.loaded / event.total) * file.size);
    });
    request.addEventListener("load", () => resolve(readAnswer(request)));
    request.addEventListener("error", () => fail(WORDS.network, true));
    request.addEventListener("timeout", () => fail(WORDS.network, true));
    request.addEventListener("abort", () => resolve({ stored: false, cancelled: true }));
    signal.addEventListener("abort", () => request.abort());
    const body = new FormData();
    body.append("files", file, file.name);
    request.send(body);
  });
}

/** `{"results":[{"filename","status","attachment"|"error"}]}`, or `{"error":{…}}` when the whole request was refused. */
function readAnswer(request) {
  if (request.status === 401) return { stored: false, message: WORDS.signedOut, retry: true };
  let answer = null;
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    // A proxy answered in its own words; the status has to do.
  }
  const result = answer?.results?.[0];
  if (result?.attachment) return { stored: true, url: `/attachments/${encodeURIComponent(result.attachment.id)}` };
  const error = result?.error ?? answer?.error;
  const status = result?.status ?? request.status;
  // What may go away by itself is worth another try; a refusal of this very file is not.
  const retry = status === 403 || status === 408 || status === 429 || status >= 500;
  return { stored: false, message: error?.message ?? WORDS.odd(status), retry };
}

// ---- files -----------------------------------------------------------------------------------------------------

function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  return `${value.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${units[unit]}`;
}

function extensionOf(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/** Why this file would be refused, or an empty string. The server checks again, and more. */
function objection(file) {
  const extension = extensionOf(file.name);
  if (rules.extensions.length && !rules.extensions.includes(extension)) {
    return WORDS.wrongType(extension, rules.typesText);
  }
  if (file.size === 0) return WORDS.empty;
  if (file.size > rules.maxBytes) return WORDS.tooLarge(sizeText(file.size), rules.maxText);
  return "";
}

/** The stem may be cut to an ellipsis, the tail with the extension stays; no emoji is split. */
function splitName(name) {
  const parts = "Segmenter" in Intl ? Array.from(new Intl.Segmenter().segment(name), (part) => part.segment) : Array.from(name);
  const extension = extensionOf(name);
  const keep = Math.min(parts.length, 4 + (extension && extension.length < 12 ? Array.from(extension).length + 1 : 0));
  return [parts.slice(0, parts.length - keep).join(""), parts.slice(parts.length - keep).join("")];
}

function add(files) {
  const fresh = Array.from(files, (file) => {
    const item = { file, state: "waiting", sent: 0, message: "", retry: false, url: "", controller: null, row: null };
    const problem = objection(file);
    if (problem) Object.assign(item, { state: "refused", message: problem });
    item.row = makeRow(item);
    return item;
  });
  if (!fresh.length) return;
  items.push(...fresh);
  list.append(...fresh.map((item) => item.row.element));
  queue.hidden = false;
  fresh.forEach(draw);
  const refused = fresh.filter((item) => item.state === "refused");
  if (refused.length) say(refused.map((item) => WORDS.spoken(item.file.name, item.message)).join(" "));
  pump();
}

// ---- running ---------------------------------------------------------------------------------------------------

function count(...states) {
  return items.filter((item) => states.includes(item.state)).length;
}

function pump() {
  while (count("sending", "checking") < PARALLEL) {
    const item = items.find((candidate) => candidate.state === "waiting");
    if (!item) break;
    run(item);
  }
  drawHead();
}

async function run(item) {
  item.state = "sending";
  item.sent = 0;
  item.rate = [];
  item.controller = new AbortController();
  draw(item);
  const result = await send(item.file, {
    action: form.action,
    token: form.elements.csrf_token.value,
    signal: item.controller.signal,
    onProgress: (sent) => progress(item, sent),
  });
  if (result.cancelled) return;
  item.state = result.stored ? "stored" : "refused";
  item.message = result.message ?? "";
  item.retry = result.retry ?? false;
  item.url = result.url ?? "";
  if (result.stored) item.sent = item.file.size;
  draw(item);
  say(WORDS.spoken(item.file.name, result.stored ? WORDS.stored : `${WORDS.refused}. ${item.message}`));
  pump();
  if (!count("waiting", "sending", "checking")) await settled();
}

function progress(item, sent) {
  const now = performance.now();
  item.sent = sent;
  item.rate.push([now, sent]);
  while (item.rate.length > 2 && now - item.rate[0][0] > RATE_WINDOW) item.rate.shift();
  if (sent >= item.file.size) item.state = "checking";
  if (item.state !== "checking" && now - (item.drawn ?? 0) < DRAW_EVERY) return;
  item.drawn = now;
  draw(item);
  drawHead();
}

/** Bytes per second over the last few seconds; 0 while it is not known. */
function rateOf(item) {
  const samples = item.rate ?? [];
  if (item.state !== "sending" || samples.length < 2) return 0;
  const [from, sentThen] = samples[0];
  const [to, sentNow] = samples[samples.length - 1];
  return to > from ? ((sentNow - sentThen) / (to - from)) * 1000 : 0;
}

function retry(item) {
  Object.assign(item, { state: "waiting", sent: 0, message: "" });
  draw(item);
  pump();
}

function remove(item) {
  item.controller?.abort();
  items.splice(items.indexOf(item), 1);
  const next = item.row.element.nextElementSibling ?? item.row.element.previousElementSibling;
  item.row.element.remove();
  (next?.querySelector(".q-remove:not([hidden])") ?? chooser).focus();
  if (!items.length) queue.hidden = true;
  pump();
}

/** All are done: the page's own lists take the new files in. */
async function settled() {
  if (!count("stored")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-refresh]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh) continue;
      old.replaceWith(fresh);
      fresh.dispatchEvent(new CustomEvent("stillage:swapped", { bubbles: true }));
    }
  } catch {
    // The files are stored; only the list is old. The link loads the page again.
    showLink.href = location.pathname + location.search;
  }
}

// ---- drawing ---------------------------------------------------------------------------------------------------

function makeRow(item) {
  const element = rowTemplate.content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  const row = {
    element,
    icon: part(".q-state use"),
    state: part(".q-state span"),
    bar: part(".bar"),
    why: part(".q-why"),
    retry: part(".q-retry"),
    remove: part(".q-remove"),
  };
  const { name, size } = item.file;
  const shown = part(".fn");
  const [stem, tail] = splitName(name);
  shown.title = name;
  [stem, tail, name].forEach((text, i) => { shown.children[i].textContent = text; });
  const bytes = part(".q-name small");
  bytes.textContent = sizeText(size);
  bytes.title = `${size.toLocaleString()} bytes`;
  row.bar.setAttribute("aria-label", name);
  row.retry.querySelector(".vh").textContent = ` ${name}`;
  row.remove.querySelector(".vh").textContent = `Remove ${name}`;
  row.retry.addEventListener("click", () => retry(item));
  row.remove.addEventListener("click", () => remove(item));
  if (item.file.type.startsWith("image/") && item.state !== "refused") addPicture(part(".q-pic"), item.file);
  return row;
}

/** A small picture of what is on this device; the icon stays when the browser cannot show it. */
function addPicture(place, file) {
  const picture = new Image(44, 44);
  picture.className = "q-pic";
  picture.alt = "";
  picture.decoding = "async";
  const url = URL.createObjectURL(file);
  picture.addEventListener("load", () => {
    place.replaceWith(picture);
    URL.revokeObjectURL(url);
  });
  picture.addEventListener("error", () => URL.revokeObjectURL(url));
  picture.src = url;
}

function setIcon(use, name) {
  const href = use.getAttribute("href").replace(/#.*/, `#${name}`);
  // Setting the same value again would fetch and draw the symbol again.
  if (use.getAttribute("href") !== href) use.setAttribute("href", href);
}

function stateWords(item) {
  if (item.state !== "sending") return WORDS[item.state];
  const percent = `${Math.floor((item.sent / item.file.size) * 100)} %`;
  const rate = rateOf(item);
  if (!rate) return percent;
  return `${percent}, ${sizeText(rate)}/s, ${WORDS.leftSeconds((item.file.size - item.sent) / rate)}`;
}

function draw(item) {
  const { row, state } = item;
  row.element.className = `q q-${{ stored: "done", refused: "refused" }[state] ?? "running"}`;
  row.state.textContent = stateWords(item);
  setIcon(row.icon, { waiting: "clock", sending: "upload", checking: "seal", stored: "check", refused: "stop" }[state]);
  row.bar.hidden = state !== "sending" && state !== "checking";
  if (state === "checking") row.bar.removeAttribute("value");
  else row.bar.value = item.sent / item.file.size || 0;
  row.why.textContent = state === "refused" ? item.message : "";
  row.retry.hidden = !(state === "refused" && item.retry);
  // From here on the server may have the file already: taking the row away would not undo that.
  row.remove.hidden = state === "checking";
  if (state === "stored" && item.url && !row.link) {
    row.link = document.createElement("a");
    row.link.href = item.url;
    row.link.title = item.file.name;
    const shown = row.element.querySelector(".fn");
    row.link.className = shown.className;
    row.link.dir = "auto";
    row.link.append(...shown.childNodes);
    shown.replaceWith(row.link);
  }
}

function drawHead() {
  const running = count("waiting", "sending", "checking");
  const stored = count("stored");
  const refused = count("refused");
  const mine = items.filter((item) => item.state !== "refused");
  const total = mine.reduce((sum, item) => sum + item.file.size, 0);
  const sent = mine.reduce((sum, item) => sum + item.sent, 0);
  const rate = mine.reduce((sum, item) => sum + rateOf(item), 0);
  title.textContent = running ? WORDS.heading(running) : WORDS.headingDone(stored, refused);
  const parts = running ? [WORDS.summary(stored, refused, running)] : [];
  if (running && rate) parts.push(`${sizeText(rate)}/s`, WORDS.leftSeconds((total - sent) / rate));
  words.textContent = parts.join(", ");
  bar.hidden = !running;
  bar.value = total ? sent / total : 0;
  showLink.hidden = running > 0 || !stored;
  clearButton.hidden = running > 0;
}

/** Read aloud by screen readers; speeds and percents are not, they would never end. */
function say(text) {
  // Added, not replaced: files that end in the same moment must all be heard.
  const line = document.createElement("p");
  line.textContent = text;
  live.append(line);
  while (live.children.length > KEPT_LINES) live.firstElementChild.remove();
}

// ---- ways in ---------------------------------------------------------------------------------------------------

for (const input of [chooser, camera]) {
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  add(chooser.files);
  chooser.value = "";
});

clearButton.addEventListener("click", () => {
  items.length = 0;
  list.replaceChildren();
  queue.hidden = true;
  chooser.focus();
});

function hasFiles(event) {
  return Array.from(event.dataTransfer?.types ?? []).includes("Files");
}

let depth = 0;
document.addEventListener("dragenter", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  depth += 1;
  veil.hidden = false;
});
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
});
document.addEventListener("dragleave", (event) => {
  if (!hasFiles(event)) return;
  depth = Math.max(0, depth - 1);
  if (depth === 0) veil.hidden = true;
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  depth = 0;
  veil.hidden = true;
  add(event.dataTransfer.files);
});

document.addEventListener("paste", (event) => {
  const files = Array.from(event.clipboardData?.files ?? []);
  if (!files.length) return;
  event.preventDefault();
  const stamp = new Date().toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "");
  // Browsers call every pasted picture "image.png": give it a name that can be told apart.
  add(files.map((file) => (file.name === "image.png" ? new File([file], `pasted_${stamp}.png`, { type: file.type }) : file)));
});

addEventListener("beforeunload", (event) => {
  if (count("waiting", "sending", "checking")) event.preventDefault();
});
