// @ts-check
// The head of the queue: how many, how fast, how long; and the buttons for all files together.

import { byId } from "./dom.js";
import { sizeText } from "./files.js";
import { TEXTS } from "./texts.js";

/**
 * @import { Queue } from './queue.js'
 * @import { Task } from './task.js'
 */

/** @typedef {Record<"clear" | "receipt" | "pause" | "resume", () => void>} Actions */

export class Summary {
  /**
   * @param {Queue} queue
   * @param {Actions} actions
   */
  constructor(queue, actions) {
    this.queue = queue;
    this.section = byId("queue", HTMLElement);
    this.title = byId("queue-title", HTMLElement);
    this.text = byId("queue-words", HTMLElement);
    this.bar = byId("queue-bar", HTMLProgressElement);
    this.note = byId("queue-note", HTMLElement);
    this.show = byId("queue-show", HTMLElement);
    this.clear = byId("queue-clear", HTMLButtonElement);
    this.receipt = byId("queue-receipt", HTMLButtonElement);
    this.pause = byId("queue-pause", HTMLButtonElement);
    this.resume = byId("queue-resume", HTMLButtonElement);
    this.clear.addEventListener("click", actions.clear);
    this.receipt.addEventListener("click", actions.receipt);
    this.pause.addEventListener("click", actions.pause);
    this.resume.addEventListener("click", actions.resume);
    queue.addEventListener("change", () => this.draw());
  }

  draw() {
    const { queue } = this;
    const { tasks, running } = queue;
    const [stored, refused, paused] = [queue.count("stored"), queue.count("refused"), queue.count("paused")];
    const accepted = tasks.filter((task) => task.state !== "refused");
    /** @param {(task: Task) => number} of */
    const sum = (of) => accepted.reduce((total, task) => total + of(task), 0);
    const [total, sent, speed] = [sum((task) => task.file.size), sum((task) => task.sent), sum((task) => task.speed)];
    const isOpen = running > 0 || paused > 0;
    this.section.hidden = !tasks.length;
    if (running) this.title.textContent = TEXTS.uploading(running);
    else this.title.textContent = paused ? TEXTS.paused(paused) : TEXTS.finished(stored, refused);
    const parts = isOpen ? [TEXTS.summary(stored, refused, running + paused)] : [];
    if (speed) parts.push(`${sizeText(speed)}/s`, TEXTS.timeLeft((total - sent) / speed));
    this.text.textContent = parts.join(", ");
    this.bar.hidden = !isOpen;
    this.bar.value = total ? sent / total : 0;
    this.note.hidden = !queue.count("signed-out");
    this.show.hidden = isOpen || !stored;
    this.receipt.hidden = isOpen || !stored;
    this.clear.hidden = isOpen;
    this.pause.hidden = running < 2;
    this.resume.hidden = paused < 2;
  }
}
