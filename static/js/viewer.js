// @ts-check
// The viewer of one file. A picture can be zoomed with buttons, wheel, two fingers, double click and keys (+ − 0 1),
// and moved by dragging or, while it has the focus, with the arrow keys. A PDF is shown by the browser's own viewer
// where that shows more than the first page. Without scripts the picture fits the page, and the rendered pages of a
// PDF stand one below the other.

/** @typedef {[x: number, y: number]} Point in pixels, from the top left corner of the stage */

/** Factor of one step of the buttons and keys. */
const ZOOM_STEP = 1.4;
/** Factor over full size. */
const MAX_ZOOM = 8;
/** Distance that an arrow key moves the picture, in pixels. */
const MOVE_STEP = 60;

/** @type {Record<string, string | undefined>} */
const ZOOM_KEYS = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "full" };
/** @type {Record<string, Point | undefined>} */
const MOVE_KEYS = {
  ArrowLeft: [MOVE_STEP, 0],
  ArrowRight: [-MOVE_STEP, 0],
  ArrowUp: [0, MOVE_STEP],
  ArrowDown: [0, -MOVE_STEP],
};

/** @type {HTMLElement | null} */
const stage = document.querySelector("[data-stage]");
/** @type {HTMLElement | null} */
const pdf = document.querySelector("[data-pdf]");

// Phones show no PDF within a page, or its first page only.
if (pdf && navigator.pdfViewerEnabled && matchMedia("(hover: hover) and (pointer: fine)").matches) {
  const frame = document.createElement("iframe");
  frame.className = "stage stage-frame";
  frame.title = pdf.dataset.title ?? "";
  frame.src = pdf.dataset.pdf ?? "";
  pdf.replaceWith(frame);
}

const picture = stage?.querySelector("img");
if (stage && picture) makeZoomable(stage, picture);

/**
 * @param {HTMLElement} stage
 * @param {HTMLImageElement} picture its only child
 */
function makeZoomable(stage, picture) {
  const level = document.querySelector("[data-zoom-level]");
  const previewWidth = Number(picture.getAttribute("width"));
  const ratio = Number(picture.getAttribute("height")) / previewWidth;
  // At 100 % a pixel of the original is a pixel of the page.
  const fullWidth = Number(stage.dataset.fullWidth) || previewWidth;
  let width = 0;
  let left = 0;
  let top = 0;
  let isFit = true;
  let hasOriginal = false;

  const fitWidth = () => Math.min(stage.clientWidth, stage.clientHeight / ratio, fullWidth);
  /** @type {(value: number, min: number, max: number) => number} */
  const clamp = (value, min, max) => Math.min(Math.max(value, min), max);
  /**
   * Smaller than the stage: centred. Larger: no gap at its edges.
   * @type {(start: number, size: number, room: number) => number}
   */
  const align = (start, size, room) => (size <= room ? (room - size) / 2 : clamp(start, room - size, 0));

  function draw() {
    if (isFit) width = fitWidth();
    left = align(left, width, stage.clientWidth);
    top = align(top, width * ratio, stage.clientHeight);
    picture.style.inlineSize = `${width}px`;
    picture.style.transform = `translate(${left}px, ${top}px)`;
    stage.classList.toggle("is-large", width > fitWidth() + 1);
    if (level) level.textContent = `${Math.round((width / fullWidth) * 100)} %`;
    if (width * devicePixelRatio > picture.naturalWidth && picture.naturalWidth) fetchOriginal();
  }

  /** The preview has fewer pixels than the original, which is fetched when they are needed. */
  function fetchOriginal() {
    if (hasOriginal || picture.naturalWidth >= fullWidth) return;
    hasOriginal = true;
    const original = new Image();
    original.src = stage.dataset.original ?? "";
    original.decode().then(
      () => {
        picture.src = original.src;
      },
      // The browser cannot show the original: the preview stays.
      () => {},
    );
  }

  /**
   * Makes the picture this wide, in pixels; the point (x, y) of the stage stays where it is.
   * @param {number} target
   * @param {number} [x]
   * @param {number} [y]
   */
  function zoom(target, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const min = fitWidth();
    const next = clamp(target, min, Math.max(fullWidth * MAX_ZOOM, min));
    isFit = next <= min;
    left = x - (x - left) * (next / width);
    top = y - (y - top) * (next / width);
    width = next;
    draw();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  function move(x, y) {
    left += x;
    top += y;
    draw();
  }

  /** @type {Record<string, (() => void) | undefined>} */
  const actions = {
    in: () => zoom(width * ZOOM_STEP),
    out: () => zoom(width / ZOOM_STEP),
    fit: () => zoom(0),
    full: () => zoom(fullWidth),
  };

  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  function pointOf(event) {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @type {NodeListOf<HTMLElement>} */
  const buttons = document.querySelectorAll("[data-zoom]");
  for (const button of buttons) button.addEventListener("click", actions[button.dataset.zoom ?? ""] ?? (() => {}));

  stage.addEventListener(
    "wheel",
    (event) => {
      // Where it cannot get smaller, the page scrolls on.
      if (isFit && event.deltaY > 0) return;
      event.preventDefault();
      zoom(width * Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), ...pointOf(event));
    },
    { passive: false },
  );

  stage.addEventListener("dblclick", (event) => {
    zoom(isFit ? Math.max(fullWidth, width * 2) : 0, ...pointOf(event));
  });

  /** The fingers on the stage, by pointer id. @type {Map<number, Point>} */
  const fingers = new Map();
  /** The distance of two fingers and the point between them. */
  function pinch() {
    const [[x1, y1], [x2, y2]] = fingers.values();
    return { distance: Math.hypot(x1 - x2, y1 - y2), x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
  }
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, pointOf(event));
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before || fingers.size > 2) return;
    const now = pointOf(event);
    if (fingers.size === 2) {
      const old = pinch();
      fingers.set(event.pointerId, now);
      const { distance, x, y } = pinch();
      if (old.distance > 0) zoom(width * (distance / old.distance), x, y);
      return;
    }
    fingers.set(event.pointerId, now);
    move(now[0] - before[0], now[1] - before[1]);
  });
  for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) {
    stage.addEventListener(type, (event) => fingers.delete(event.pointerId));
  }
  picture.draggable = false;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    if (document.querySelector("[popover]:popover-open")) return;
    const action = actions[ZOOM_KEYS[event.key] ?? ""];
    if (!action) return;
    event.preventDefault();
    action();
  });
  stage.addEventListener("keydown", (event) => {
    const by = MOVE_KEYS[event.key];
    // When nothing can be moved, the keys go to the next file.
    if (!by || isFit || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(...by);
  });

  stage.classList.add("is-live");
  stage.tabIndex = 0;
  stage.setAttribute("role", "group");
  stage.setAttribute("aria-label", "Picture; plus and minus change its size");
  picture.addEventListener("load", draw);
  new ResizeObserver(draw).observe(stage);
}
