// The viewer of one file. A picture can be made larger: buttons, wheel, two fingers, double click, keys (+ − 0 1), and
// moved by dragging or, while it has the focus, by the arrow keys. A PDF is shown by the browser's own viewer where it
// has one that shows more than the first page. Without this module the picture fits the page, and the drawn pages of a
// PDF stand one below the other.

const STEP = 1.4;
const MOST = 8;
const MOVE = 60;

const stage = document.querySelector("[data-stage]");
const pdf = document.querySelector("[data-pdf]");

// Phones show no PDF within a page, or its first page only.
if (pdf && navigator.pdfViewerEnabled && matchMedia("(hover: hover) and (pointer: fine)").matches) {
  const frame = document.createElement("iframe");
  frame.className = "stage stage-frame";
  frame.title = pdf.dataset.title;
  frame.src = pdf.dataset.pdf;
  pdf.replaceWith(frame);
}

if (stage) zoomable(stage, stage.querySelector("img"));

function zoomable(stage, picture) {
  const level = document.querySelector("[data-zoom-level]");
  const [given, ratio] = [Number(picture.getAttribute("width")), picture.getAttribute("height") / picture.getAttribute("width")];
  // A hundred percent is a pixel of the original to a pixel of the page.
  const fullWidth = Number(stage.dataset.fullWidth) || given;
  let width = 0;
  let left = 0;
  let top = 0;
  let isFit = true;
  let hasOriginal = false;

  const fitWidth = () => Math.min(stage.clientWidth, stage.clientHeight / ratio, fullWidth);
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
  // Smaller than the stage: in its middle. Larger: no gap at its edges.
  const place = (at, size, room) => (size <= room ? (room - size) / 2 : clamp(at, room - size, 0));

  function draw() {
    if (isFit) width = fitWidth();
    left = place(left, width, stage.clientWidth);
    top = place(top, width * ratio, stage.clientHeight);
    picture.style.inlineSize = `${width}px`;
    picture.style.transform = `translate(${left}px, ${top}px)`;
    stage.classList.toggle("is-large", width > fitWidth() + 1);
    level.textContent = `${Math.round((width / fullWidth) * 100)} %`;
    if (width * devicePixelRatio > picture.naturalWidth && picture.naturalWidth) fetchOriginal();
  }

  // The preview has fewer pixels than the original: who looks closer gets those too.
  function fetchOriginal() {
    if (hasOriginal || picture.naturalWidth >= fullWidth) return;
    hasOriginal = true;
    const original = new Image();
    original.src = stage.dataset.original;
    original.decode().then(() => { picture.src = original.src; }, () => {});
  }

  /** Makes it `to` pixels wide; the point (x, y) of the stage stays where it is. */
  function zoom(to, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const least = fitWidth();
    const now = clamp(to, least, Math.max(fullWidth * MOST, least));
    isFit = now <= least;
    left = x - (x - left) * (now / width);
    top = y - (y - top) * (now / width);
    width = now;
    draw();
  }

  const acts = {
    in: () => zoom(width * STEP),
    out: () => zoom(width / STEP),
    fit: () => zoom(0),
    full: () => zoom(fullWidth),
  };

  const at = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => acts[button.dataset.zoom]());
  }

  stage.addEventListener("wheel", (event) => {
    // Where it cannot get smaller, the page scrolls on.
    if (isFit && event.deltaY > 0) return;
    event.preventDefault();
    zoom(width * Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), ...at(event));
  }, { passive: false });

  stage.addEventListener("dblclick", (event) => zoom(isFit ? Math.max(fullWidth, width * 2) : 0, ...at(event)));

  const fingers = new Map();
  const apart = () => {
    const [[x1, y1], [x2, y2]] = fingers.values();
    return [Math.hypot(x1 - x2, y1 - y2), (x1 + x2) / 2, (y1 + y2) / 2];
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, at(event));
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before || fingers.size > 2) return;
    const now = at(event);
    if (fingers.size === 2) {
      const [was] = apart();
      fingers.set(event.pointerId, now);
      const [is, x, y] = apart();
      if (was > 0) zoom(width * (is / was), x, y);
      return;
    }
    fingers.set(event.pointerId, now);
    left += now[0] - before[0];
    top += now[1] - before[1];
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  picture.draggable = false;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("[popover]:popover-open")) return;
    const act = { "+": "in", "=": "in", "-": "out", "0": "fit", "1": "full" }[event.key];
    if (!act) return;
    event.preventDefault();
    acts[act]();
  });
  stage.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE] }[event.key];
    // Where nothing can be moved, the keys go to the next file.
    if (!by || isFit || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    left += by[0];
    top += by[1];
    draw();
  });

  stage.classList.add("is-live");
  stage.tabIndex = 0;
  stage.setAttribute("role", "group");
  stage.setAttribute("aria-label", "Picture; plus and minus change its size");
  picture.addEventListener("load", draw);
  new ResizeObserver(draw).observe(stage);
}
