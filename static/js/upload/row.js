// @ts-check
// The row of one file in the queue: picture, name, progress, state, and its buttons.

import { find } from "./dom.js";
import { sizeText, splitName } from "./files.js";
import { STATES, TEXTS } from "./texts.js";

/** @import { State, Task } from './task.js' */

/** @typedef {Record<"retry" | "pause" | "resume" | "remove", (task: Task) => void>} Actions */

/** Shortest time between two updates within one state, in milliseconds. */
const DRAW_EVERY = 200;
/** @type {Record<State, string>} */
const ICONS = {
  waiting: "clock",
  sending: "upload",
  checking: "seal",
  retrying: "clock",
  "signed-out": "key",
  paused: "pause",
  stored: "check",
  refused: "stop",
};
/** @type {Partial<Record<State, string>>} */
const CLASSES = { stored: "q q-done", refused: "q q-refused", paused: "q q-paused" };

export class Row {
  /**
   * @param {HTMLTemplateElement} template
   * @param {Task} task
   * @param {Actions} actions
   */
  constructor(template, task, actions) {
    this.task = task;
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = find(copy, ".q", HTMLElement);
    this.icon = find(copy, ".q-state use", SVGUseElement);
    this.text = find(copy, ".q-state span", HTMLElement);
    this.bar = find(copy, ".bar", HTMLProgressElement);
    this.reason = find(copy, ".q-why", HTMLElement);
    this.buttons = {
      retry: find(copy, ".q-retry", HTMLButtonElement),
      pause: find(copy, ".q-pause", HTMLButtonElement),
      resume: find(copy, ".q-resume", HTMLButtonElement),
      remove: find(copy, ".q-remove", HTMLButtonElement),
    };
    for (const [action, button] of Object.entries(this.buttons)) {
      find(button, ".vh", HTMLElement).append(` ${task.file.name}`);
      button.addEventListener("click", () => actions[/** @type {keyof Actions} */ (action)](task));
    }
    this.name = find(copy, ".fn", HTMLElement);
    /** @type {HTMLAnchorElement | null} */
    this.link = null;
    /** @type {number | undefined} */
    this.countdown = undefined;
    this.drawnAt = 0;
    /** @type {State | null} */
    this.drawnState = null;
    this.describe();
    task.addEventListener("change", () => this.changed());
    this.draw();
  }

  /** Fills in what stays the same: name, size and picture. */
  describe() {
    const { file, state } = this.task;
    const { name, size, type } = file;
    [...splitName(name), name].forEach((text, i) => {
      this.name.children[i].textContent = text;
    });
    this.name.title = name;
    const bytes = find(this.element, ".q-name small", HTMLElement);
    bytes.textContent = sizeText(size);
    bytes.title = `${size.toLocaleString()} bytes`;
    this.bar.setAttribute("aria-label", name);
    if (type.startsWith("image/") && state !== "refused") addPicture(find(this.element, ".q-pic", HTMLElement), file);
  }

  /** Progress comes many times a second; a new state shows at once. */
  changed() {
    if (this.task.state === this.drawnState && performance.now() - this.drawnAt < DRAW_EVERY) return;
    this.draw();
  }

  draw() {
    const { state, sent, file, message, canRetry } = this.task;
    clearTimeout(this.countdown);
    if (state === "retrying") this.countdown = setTimeout(() => this.draw(), 1000);
    this.drawnAt = performance.now();
    this.drawnState = state;
    this.element.className = CLASSES[state] ?? "q q-running";
    this.text.textContent = stateText(this.task);
    setIcon(this.icon, ICONS[state]);
    this.bar.hidden = this.task.isFinished || state === "waiting";
    if (state === "checking") this.bar.removeAttribute("value");
    else this.bar.value = sent / file.size || 0;
    this.reason.textContent = state === "refused" ? message : "";
    const focused = document.activeElement;
    this.buttons.retry.hidden = !(state === "refused" && canRetry);
    this.buttons.pause.hidden = !["waiting", "sending", "retrying"].includes(state);
    this.buttons.resume.hidden = state !== "paused";
    // From here on the server may have stored the file already: removing the row would not undo that.
    this.buttons.remove.hidden = state === "checking";
    if (focused instanceof HTMLElement && focused.hidden && this.element.contains(focused)) this.focus();
    if (state === "stored" && !this.link) this.addLink();
  }

  /** Focuses the first element of this row that takes the focus. */
  focus() {
    /** @type {HTMLElement | null} */
    const button = this.element.querySelector("button:not([hidden])");
    (button ?? this.link)?.focus();
  }

  /** Makes the name a link to the stored file. */
  addLink() {
    this.link = document.createElement("a");
    this.link.href = `/attachments/${encodeURIComponent(this.task.stored?.attachment ?? "")}`;
    this.link.title = this.task.file.name;
    this.link.className = this.name.className;
    this.link.dir = "auto";
    this.link.append(...this.name.childNodes);
    this.name.replaceWith(this.link);
  }
}

/** @param {Task} task */
function stateText(task) {
  const { state, sent, file, speed } = task;
  if (state === "retrying") return TEXTS.retrying(Math.ceil((task.retryAt - performance.now()) / 1000));
  if (state !== "sending") return STATES[state];
  const percent = `${Math.floor((sent / file.size) * 100)} %`;
  return speed ? `${percent}, ${sizeText(speed)}/s, ${TEXTS.timeLeft((file.size - sent) / speed)}` : percent;
}

/**
 * @param {SVGUseElement} use
 * @param {string} name
 */
function setIcon(use, name) {
  const current = use.getAttribute("href") ?? "";
  const href = current.replace(/#.*/, `#${name}`);
  // Setting the same value again would fetch and draw the symbol again.
  if (current !== href) use.setAttribute("href", href);
}

/**
 * Shows a small picture of the file on this device; the icon stays when the browser cannot show it.
 * @param {HTMLElement} icon
 * @param {File} file
 */
function addPicture(icon, file) {
  const picture = new Image(44, 44);
  picture.className = "q-pic";
  picture.alt = "";
  picture.decoding = "async";
  const url = URL.createObjectURL(file);
  picture.addEventListener("load", () => {
    icon.replaceWith(picture);
    URL.revokeObjectURL(url);
  });
  picture.addEventListener("error", () => URL.revokeObjectURL(url));
  picture.src = url;
}
