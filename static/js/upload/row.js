// The row of one file in the queue: picture, name, bar, words, and what can be done.

import { sizeText, splitName } from "./files.js";
import { STATES, WORDS } from "./words.js";

const DRAW_EVERY = 200;
const ICONS = {
  waiting: "clock", sending: "upload", checking: "seal", retrying: "clock",
  "signed-out": "key", paused: "pause", stored: "check", refused: "stop",
};
const LOOKS = { stored: "q q-done", refused: "q q-refused", paused: "q q-paused" };

export class Row {
  /** @param on { pause, resume, retry, remove } */
  constructor(template, task, on) {
    this.task = task;
    this.element = template.content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    this.icon = part(".q-state use");
    this.words = part(".q-state span");
    this.bar = part(".bar");
    this.why = part(".q-why");
    this.buttons = { retry: part(".q-retry"), pause: part(".q-pause"), resume: part(".q-resume"), remove: part(".q-remove") };
    this.name = part(".fn");
    const { name, size, type } = task.file;
    [...splitName(name), name].forEach((text, i) => { this.name.children[i].textContent = text; });
    this.name.title = name;
    const bytes = part(".q-name small");
    bytes.textContent = sizeText(size);
    bytes.title = `${size.toLocaleString()} bytes`;
    this.bar.setAttribute("aria-label", name);
    for (const [what, button] of Object.entries(this.buttons)) {
      button.querySelector(".vh").append(` ${name}`);
      button.addEventListener("click", () => on[what](task));
    }
    if (type.startsWith("image/") && task.state !== "refused") addPicture(part(".q-pic"), task.file);
    this.drawn = 0;
    this.drawnState = "";
    task.addEventListener("change", () => this.changed());
    this.draw();
  }

  /** Progress comes many times a second; a new state shows at once. */
  changed() {
    if (this.task.state === this.drawnState && performance.now() - this.drawn < DRAW_EVERY) return;
    this.draw();
  }

  draw() {
    const { state, sent, file, message, canRetry } = this.task;
    clearTimeout(this.countdown);
    if (state === "retrying") this.countdown = setTimeout(() => this.draw(), 1000);
    this.drawn = performance.now();
    this.drawnState = state;
    this.element.className = LOOKS[state] ?? "q q-running";
    this.words.textContent = wordsOf(this.task);
    setIcon(this.icon, ICONS[state]);
    this.bar.hidden = this.task.isOver || state === "waiting";
    if (state === "checking") this.bar.removeAttribute("value");
    else this.bar.value = sent / file.size || 0;
    this.why.textContent = state === "refused" ? message : "";
    const focused = document.activeElement;
    this.buttons.retry.hidden = !(state === "refused" && canRetry);
    this.buttons.pause.hidden = !["waiting", "sending", "retrying"].includes(state);
    this.buttons.resume.hidden = state !== "paused";
    // From here on the server may have the file already: taking the row away would not undo that.
    this.buttons.remove.hidden = state === "checking";
    if (focused?.hidden && this.element.contains(focused)) this.focus();
    if (state === "stored" && !this.link) this.addLink();
  }

  /** The first thing in this row that takes the focus. */
  focus() {
    (this.element.querySelector("button:not([hidden])") ?? this.link)?.focus();
  }

  addLink() {
    this.link = document.createElement("a");
    this.link.href = `/attachments/${encodeURIComponent(this.task.attachment)}`;
    this.link.title = this.task.file.name;
    this.link.className = this.name.className;
    this.link.dir = "auto";
    this.link.append(...this.name.childNodes);
    this.name.replaceWith(this.link);
  }
}

function wordsOf(task) {
  const { state, sent, file } = task;
  if (state === "retrying") return WORDS.again(Math.ceil((task.retryAt - performance.now()) / 1000));
  if (state !== "sending") return STATES[state];
  const percent = `${Math.floor((sent / file.size) * 100)} %`;
  const { speed } = task;
  return speed ? `${percent}, ${sizeText(speed)}/s, ${WORDS.left((file.size - sent) / speed)}` : percent;
}

function setIcon(use, name) {
  const href = use.getAttribute("href").replace(/#.*/, `#${name}`);
  // Setting the same value again would fetch and draw the symbol again.
  if (use.getAttribute("href") !== href) use.setAttribute("href", href);
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
