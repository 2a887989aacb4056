// @ts-check
// Uploads from a batch's page. Connects the modules in upload/: sources of files → queue of tasks → rows, summary,
// announcements. Without scripts the form sends the chosen files in one request and the server's answer lists them.

import { byId, find } from "./upload/dom.js";
import { refusalOf, rulesOf } from "./upload/files.js";
import { announce } from "./upload/live.js";
import { Queue } from "./upload/queue.js";
import { download, receiptText } from "./upload/receipt.js";
import { refresh } from "./upload/refresh.js";
import { Row } from "./upload/row.js";
import { Session } from "./upload/session.js";
import { listenForFiles } from "./upload/sources.js";
import { Summary } from "./upload/summary.js";
import { Task } from "./upload/task.js";
import { STATES, TEXTS } from "./upload/texts.js";

/** @import { State } from './upload/task.js' */

const form = byId("upload", HTMLFormElement);
const chooser = byId("files", HTMLInputElement);
const list = byId("queue-rows", HTMLElement);
const template = byId("queue-row", HTMLTemplateElement);
const live = byId("queue-live", HTMLElement);
const { batch = "", number = "" } = form.dataset;

const rules = rulesOf(form);
const session = new Session(find(form, "input[name=csrf_token]", HTMLInputElement));
const queue = new Queue();
/** @type {Map<Task, Row>} */
const rows = new Map();

new Summary(queue, {
  clear: () => {
    for (const task of queue.tasks.filter((each) => each.isFinished)) removeRow(task);
    queue.clear();
    shown = 0;
    chooser.focus();
  },
  receipt: () => {
    const name = `receipt_${number.replace(/[^\w.-]+/g, "_")}.txt`;
    download(name, receiptText(number, location.href, queue.tasks));
  },
  pause: () => {
    const tasks = queue.tasks.filter((task) => !task.isFinished && task.state !== "checking");
    tasks.forEach((task) => task.pause());
  },
  resume: () => queue.tasks.filter((task) => task.state === "paused").forEach((task) => task.restart()),
});

listenForFiles({
  form,
  inputs: [chooser, byId("camera", HTMLInputElement)],
  veil: byId("drop-veil", HTMLElement),
  add,
});

/** @param {File[]} files */
function add(files) {
  const tasks = files.map((file) => {
    const task = new Task(file, batch, session);
    const refusal = refusalOf(file, rules);
    if (refusal) task.refuse(refusal);
    const row = new Row(template, task, {
      pause: () => task.pause(),
      resume: () => task.restart(),
      retry: () => task.restart(),
      remove,
    });
    rows.set(task, row);
    list.append(row.element);
    if (refusal) report(task);
    task.addEventListener("change", () => report(task));
    return task;
  });
  queue.add(tasks);
}

/** @param {Task} task */
function remove(task) {
  const element = rows.get(task)?.element;
  const neighbour = element?.nextElementSibling ?? element?.previousElementSibling;
  removeRow(task);
  queue.remove(task);
  /** @type {HTMLElement | null | undefined} */
  const button = neighbour?.querySelector(".q-remove:not([hidden])");
  (button ?? chooser).focus();
}

/** @param {Task} task */
function removeRow(task) {
  rows.get(task)?.element.remove();
  rows.delete(task);
}

/** @type {WeakMap<Task, State>} */
const reported = new WeakMap();
let isSignedOut = false;
let isAway = false;

/**
 * Announces the result of a file, once; problems that all files share are announced once for all.
 * @param {Task} task
 */
function report(task) {
  const { state, message } = task;
  const before = reported.get(task);
  reported.set(task, state);
  if (state === before) return;
  if (state === "stored") announce(live, TEXTS.announcement(task.file.name, STATES.stored));
  if (state === "refused") announce(live, TEXTS.announcement(task.file.name, `${STATES.refused}. ${message}`));
  if (state === "stored") isAway = false;
  if (state === "retrying" && !isAway) {
    isAway = true;
    announce(live, TEXTS.offline);
  }
  if ((state === "signed-out") !== isSignedOut && (state === "signed-out" || before === "signed-out")) {
    isSignedOut = !isSignedOut;
    announce(live, isSignedOut ? TEXTS.signedOut : TEXTS.signedIn);
  }
}

/** How many stored files the page's lists show. */
let shown = 0;
queue.addEventListener("idle", () => {
  const stored = queue.count("stored");
  if (stored <= shown) return;
  shown = stored;
  refresh().catch(() => {
    // The files are stored; only the list is outdated. The link loads the page again.
    byId("queue-show", HTMLAnchorElement).href = location.pathname + location.search;
  });
});

addEventListener("beforeunload", (event) => {
  if (queue.running || queue.count("paused")) event.preventDefault();
});
