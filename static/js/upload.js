// Uploads from a batch's page. Puts the parts in upload/ together: ways in → queue of tasks → rows, summary, words for
// screen readers. Without this module the form sends the chosen files in one request and the server's answer lists them.

import { objection, rulesOf } from "./upload/files.js";
import { say } from "./upload/live.js";
import { Queue } from "./upload/queue.js";
import { download, receiptText } from "./upload/receipt.js";
import { refresh } from "./upload/refresh.js";
import { Row } from "./upload/row.js";
import { Session } from "./upload/session.js";
import { Summary } from "./upload/summary.js";
import { Task } from "./upload/task.js";
import { waysIn } from "./upload/ways-in.js";
import { STATES, WORDS } from "./upload/words.js";

const form = document.getElementById("upload");
const chooser = document.getElementById("files");
const list = document.getElementById("queue-rows");
const template = document.getElementById("queue-row");
const live = document.getElementById("queue-live");
const { batch, number } = form.dataset;

const rules = rulesOf(form);
const session = new Session(form.elements.csrf_token);
const queue = new Queue();
const rows = new Map();

new Summary(queue, {
  clear: () => {
    for (const task of queue.tasks.filter((each) => each.isOver)) forget(task);
    queue.clear();
    shown = 0;
    chooser.focus();
  },
  receipt: () => {
    const stored = queue.tasks.filter((task) => task.state === "stored");
    download(`receipt_${number.replace(/[^\w.-]+/g, "_")}.txt`, receiptText(number, location.href, stored));
  },
  pause: () => queue.tasks.filter((task) => !task.isOver && task.state !== "checking").forEach((task) => task.pause()),
  resume: () => queue.tasks.filter((task) => task.state === "paused").forEach((task) => task.again()),
});

waysIn({ form, inputs: [chooser, document.getElementById("camera")], veil: document.getElementById("drop-veil"), add });

function add(files) {
  const tasks = files.map((file) => {
    const task = new Task(file, batch, session);
    const problem = objection(file, rules);
    if (problem) task.refuse(problem);
    const row = new Row(template, task, { pause: () => task.pause(), resume: () => task.again(), retry: () => task.again(), remove });
    rows.set(task, row);
    if (problem) tell(task);
    task.addEventListener("change", () => tell(task));
    return task;
  });
  list.append(...tasks.map((task) => rows.get(task).element));
  queue.add(tasks);
}

function remove(task) {
  const { element } = rows.get(task);
  const next = element.nextElementSibling ?? element.previousElementSibling;
  forget(task);
  queue.remove(task);
  (next?.querySelector(".q-remove:not([hidden])") ?? chooser).focus();
}

function forget(task) {
  rows.get(task).element.remove();
  rows.delete(task);
}

const told = new WeakMap();
let isSignedOut = false;
let isAway = false;

/** Says what became of a file, once; troubles that all files share are said once for all. */
function tell(task) {
  const { state, message } = task;
  const before = told.get(task);
  told.set(task, state);
  if (state === before) return;
  if (state === "stored") say(live, WORDS.spoken(task.file.name, STATES.stored));
  if (state === "refused") say(live, WORDS.spoken(task.file.name, `${STATES.refused}. ${message}`));
  if (state === "stored") isAway = false;
  if (state === "retrying" && !isAway) {
    isAway = true;
    say(live, WORDS.offline);
  }
  if ((state === "signed-out") !== isSignedOut && (state === "signed-out" || before === "signed-out")) {
    isSignedOut = !isSignedOut;
    say(live, isSignedOut ? WORDS.signedOut : WORDS.signedIn);
  }
}

let shown = 0;
queue.addEventListener("idle", () => {
  const stored = queue.count("stored");
  if (stored <= shown) return;
  shown = stored;
  refresh().catch(() => {
    // The files are stored; only the list is old. The link loads the page again.
    document.getElementById("queue-show").href = location.pathname + location.search;
  });
});

addEventListener("beforeunload", (event) => {
  if (queue.running || queue.count("paused")) event.preventDefault();
});
