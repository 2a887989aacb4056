// The head of the queue: how many, how fast, how long; what can be done with all of them.

import { sizeText } from "./files.js";
import { WORDS } from "./words.js";

export class Summary {
  constructor(queue, on) {
    this.queue = queue;
    const part = (name) => document.getElementById(`queue-${name}`);
    this.section = document.getElementById("queue");
    Object.assign(this, {
      title: part("title"), words: part("words"), bar: part("bar"), note: part("note"),
      show: part("show"), clear: part("clear"), receipt: part("receipt"), pause: part("pause"), resume: part("resume"),
    });
    for (const what of ["clear", "receipt", "pause", "resume"]) this[what].addEventListener("click", on[what]);
    queue.addEventListener("change", () => this.draw());
  }

  draw() {
    const { queue } = this;
    const { tasks, running } = queue;
    const [stored, refused, paused] = [queue.count("stored"), queue.count("refused"), queue.count("paused")];
    const mine = tasks.filter((task) => task.state !== "refused");
    const sum = (of) => mine.reduce((total, task) => total + of(task), 0);
    const [total, sent, speed] = [sum((task) => task.file.size), sum((task) => task.sent), sum((task) => task.speed)];
    const isOpen = running > 0 || paused > 0;
    this.section.hidden = !tasks.length;
    if (running) this.title.textContent = WORDS.heading(running);
    else this.title.textContent = paused ? WORDS.headingPaused(paused) : WORDS.headingDone(stored, refused);
    const parts = isOpen ? [WORDS.summary(stored, refused, running + paused)] : [];
    if (speed) parts.push(`${sizeText(speed)}/s`, WORDS.left((total - sent) / speed));
    this.words.textContent = parts.join(", ");
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
