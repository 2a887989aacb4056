// @ts-check
// The files of this visit in the order they were added, of which a few are sent at the same time. Fires "change" when
// any of them changes and "idle" when nothing is left to do.

/** @import { State, Task } from './task.js' */

const PARALLEL = 3;

export class Queue extends EventTarget {
  constructor() {
    super();
    /** @type {Task[]} */
    this.tasks = [];
  }

  /** @param {Task[]} tasks */
  add(tasks) {
    for (const task of tasks) task.addEventListener("change", () => this.changed(task));
    this.tasks.push(...tasks);
    this.pump();
  }

  /** @param {Task} task */
  remove(task) {
    task.cancel();
    this.tasks.splice(this.tasks.indexOf(task), 1);
    this.pump();
  }

  /** Removes the finished tasks. */
  clear() {
    this.tasks = this.tasks.filter((task) => !task.isFinished);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {State[]} states */
  count(...states) {
    return this.tasks.filter((task) => states.includes(task.state)).length;
  }

  /** The number of files that are neither finished nor paused. */
  get running() {
    return this.tasks.filter((task) => task.state === "waiting" || task.isActive).length;
  }

  /** @param {Task} task */
  changed(task) {
    if (task.state === "sending" || task.state === "checking") this.dispatchEvent(new Event("change"));
    else this.pump();
  }

  /** Starts waiting tasks until enough are active. */
  pump() {
    while (this.tasks.filter((task) => task.isActive).length < PARALLEL) {
      const next = this.tasks.find((task) => task.state === "waiting");
      if (!next) break;
      next.run();
    }
    this.dispatchEvent(new Event("change"));
    if (this.tasks.length && !this.running) this.dispatchEvent(new Event("idle"));
  }
}
