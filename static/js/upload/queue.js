// The files of this visit, in the order they were added: a few run at once. Fires "change" when any of them changes and
// "idle" when nothing is left to do.

const PARALLEL = 3;

export class Queue extends EventTarget {
  constructor() {
    super();
    this.tasks = [];
  }

  add(tasks) {
    for (const task of tasks) task.addEventListener("change", () => this.changed(task));
    this.tasks.push(...tasks);
    this.pump();
  }

  remove(task) {
    task.drop();
    this.tasks.splice(this.tasks.indexOf(task), 1);
    this.pump();
  }

  /** Forgets what is over. */
  clear() {
    this.tasks = this.tasks.filter((task) => !task.isOver);
    this.dispatchEvent(new Event("change"));
  }

  count(...states) {
    return this.tasks.filter((task) => states.includes(task.state)).length;
  }

  /** Files that are neither stored nor refused nor put aside. */
  get running() {
    return this.tasks.filter((task) => task.state === "waiting" || task.isActive).length;
  }

  changed(task) {
    if (task.state === "sending" || task.state === "checking") this.dispatchEvent(new Event("change"));
    else this.pump();
  }

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
