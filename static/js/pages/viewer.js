// The picture of a scan on the reading page: zoom, move, window and level, invert, turn, full screen, heat map; by mouse,
// touch and keyboard. The grey values pass a linear SVG filter, so that even a large picture follows the hand. What the
// server sends later (htmx) never touches the figure; only the heat map's switch beside it may come and go.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const PRESETS = { normal: [255, 127.5], lung: [150, 70], soft: [110, 140], bone: [130, 190] };
  const STEP = 1.25, MOST = 16, MOVE = 48;
  const views = new WeakMap();
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const make = (name, parent, set = {}) => {
    const element = document.createElementNS(NS, name);
    for (const key in set) element.setAttribute(key, set[key]);
    return parent.appendChild(element);
  };

  const viewer = (root) => {
    const body = root.querySelector("[data-viewer-body]");
    const stage = root.querySelector("[data-viewer-stage]");
    const base = stage.querySelector(".viewer__base");
    const readout = root.querySelector("[data-viewer-readout]");
    const words = JSON.parse(root.dataset.words);
    const width = +root.dataset.width, height = +root.dataset.height;
    const start = { w: 255, l: 127.5, invert: false, turn: 0 };
    const at = { ...start, s: 1, x: 0, y: 0, fitted: true, windowing: false };
    const fingers = new Map();
    let drag, full, fullState = "preview", heat, saying, frame;

    // The parts of the picture lie on one sheet, which is moved as a whole.
    body.setAttribute("hx-morph-skip", "");
    const sheet = document.createElement("div");
    sheet.className = "viewer__sheet";
    sheet.style.width = `${width}px`;
    sheet.style.height = `${height}px`;
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.prepend(sheet);
    sheet.append(base);
    const filter = make("filter", make("svg", body, { width: 0, height: 0, "aria-hidden": "true" }), {
      id: `grey-${root.id}`, "color-interpolation-filters": "sRGB", x: 0, y: 0, width: 1, height: 1,
    });
    const transfer = make("feComponentTransfer", filter);
    const curves = ["R", "G", "B"].map((channel) => make(`feFunc${channel}`, transfer, { type: "linear" }));
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-label", root.getAttribute("aria-label"));

    const dpr = () => window.devicePixelRatio || 1;
    const size = () => (at.turn % 2 ? [height, width] : [width, height]);
    const fitScale = () => {
      const [w, h] = size();
      return Math.min(stage.clientWidth / w, stage.clientHeight / h) || 1;
    };

    const paint = () => {
      frame = 0;
      if (at.fitted) Object.assign(at, { s: fitScale(), x: stage.clientWidth / 2, y: stage.clientHeight / 2 });
      const [w, h] = size();
      const room = (length, view) => Math.max(0, (length * at.s - view) / 2);
      const across = room(w, stage.clientWidth), down = room(h, stage.clientHeight);
      at.x = clamp(at.x, stage.clientWidth / 2 - across, stage.clientWidth / 2 + across);
      at.y = clamp(at.y, stage.clientHeight / 2 - down, stage.clientHeight / 2 + down);
      sheet.style.transform = `translate(${at.x}px, ${at.y}px) rotate(${at.turn * 90}deg) scale(${at.s}) translate(-50%, -50%)`;
      const sign = at.invert ? -1 : 1;
      for (const curve of curves) {
        curve.setAttribute("slope", sign * 255 / at.w);
        curve.setAttribute("intercept", 0.5 - sign * at.l / at.w);
      }
      const plain = at.w === 255 && at.l === 127.5 && !at.invert;
      for (const picture of [base, full]) if (picture) picture.style.filter = plain ? "" : `url(#${filter.id})`;
      stage.classList.toggle("is-zoomed", across + down > 0);
      stage.classList.toggle("is-window", at.windowing);
      const pressed = { invert: at.invert, window: at.windowing, full: isFull() };
      for (const name in pressed) body.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", pressed[name]);
      for (const slider of body.querySelectorAll("[data-level]")) slider.value = at[slider.dataset.level];
      const preset = Object.keys(PRESETS).find((name) => PRESETS[name][0] === at.w && PRESETS[name][1] === at.l);
      body.querySelector("[data-preset]").value = preset || "own";
      const told = [
        `${words.zoom} ${Math.round(at.s * dpr() * 100)} %`,
        `${words.window} ${Math.round(at.w)}, ${words.level} ${Math.round(at.l)}`,
        at.invert && words.inverted, at.turn && `${words.turned} ${at.turn * 90}°`, words[fullState],
      ].filter(Boolean).join(" · ");
      if (told === readout.textContent) return;
      const first = !readout.textContent;
      readout.textContent = told;
      clearTimeout(saying);
      if (!first) saying = setTimeout(() => { root.querySelector("[data-viewer-status]").textContent = told; }, 700);
    };
    const draw = () => { frame = frame || requestAnimationFrame(paint); };

    // The full picture lies over the preview as soon as it is there; asked for once somebody looks closely.
    const loadFull = () => {
      if (full) return;
      fullState = "loading";
      full = new Image();
      full.alt = "";
      full.onload = () => { fullState = "full"; base.after(full); draw(); };
      full.onerror = () => { fullState = "failed"; full = undefined; draw(); };
      full.src = root.dataset.full;
    };

    const zoom = (factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
      const least = Math.min(fitScale(), 1 / dpr());
      const to = clamp(at.s * factor, least, Math.max(MOST / dpr(), least * MOST));
      const by = to / at.s;
      Object.assign(at, { s: to, x: x + (at.x - x) * by, y: y + (at.y - y) * by, fitted: to <= fitScale() * 1.001 && by < 1 });
      if (by > 1) loadFull();
      draw();
    };
    const move = (x, y) => { if (!at.fitted) { at.x += x; at.y += y; draw(); } };
    const level = (w, l) => { at.w = clamp(w, 10, 500); at.l = clamp(l, 0, 255); draw(); };
    const place = ({ clientX, clientY }) => {
      const box = stage.getBoundingClientRect();
      return { x: clientX - box.left - stage.clientLeft, y: clientY - box.top - stage.clientTop };
    };
    const isFull = () => document.fullscreenElement === root || root.classList.contains("viewer--full");

    const actions = {
      in: () => zoom(STEP),
      out: () => zoom(1 / STEP),
      fit: () => { at.fitted = true; draw(); },
      one: () => { loadFull(); at.fitted = false; zoom(1 / dpr() / at.s); },
      window: () => { at.windowing = !at.windowing; draw(); },
      invert: () => { at.invert = !at.invert; draw(); },
      turn: () => { at.turn = (at.turn + 1) % 4; draw(); },
      reset: () => { Object.assign(at, start, { fitted: true }); draw(); },
      full: () => {
        if (document.fullscreenElement) document.exitFullscreen();
        else if (root.requestFullscreen && !isFull()) { loadFull(); root.requestFullscreen(); }
        else { root.classList.toggle("viewer--full"); draw(); } // a telephone that gives no element the whole screen
      },
      heat: () => { root.querySelector("[data-heat-switch]")?.click(); },
      darker: () => level(at.w, at.l + 8),
      brighter: () => level(at.w, at.l - 8),
      softer: () => level(at.w + 16, at.l),
      harder: () => level(at.w - 16, at.l),
    };

    // Fetched only once it is wanted.
    const showHeat = () => {
      const tools = root.querySelector("[data-heatmap]");
      const on = Boolean(tools?.querySelector("[data-heat-switch]").checked);
      if (on && !heat) {
        heat = new Image();
        heat.className = "viewer__heatmap";
        heat.alt = tools.dataset.alt;
        heat.src = tools.dataset.heatmap;
      }
      if (heat && on) { sheet.append(heat); heat.style.opacity = tools.querySelector("[data-opacity]").value / 100; }
      else heat?.remove();
      const slider = tools?.querySelector(".viewer__opacity");
      if (slider) slider.hidden = !on;
      tools?.classList.toggle("is-on", on);
    };

    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = place(event);
      zoom(Math.exp(-clamp(event.deltaY, -200, 200) * (event.ctrlKey ? 0.01 : 0.0018)), x, y);
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => {
      const { x, y } = place(event);
      if (at.fitted) zoom(Math.max(1 / dpr() / at.s, 2), x, y);
      else actions.fit();
    });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => {
      if (event.button === 1) return;
      fingers.set(event.pointerId, place(event));
      stage.setPointerCapture(event.pointerId);
      drag = event.button === 2 || at.windowing ? "window" : "pan";
    });
    stage.addEventListener("pointermove", (event) => {
      const was = fingers.get(event.pointerId);
      if (!was) return;
      const now = place(event), dx = now.x - was.x, dy = now.y - was.y;
      if (fingers.size === 2) {
        const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
        const far = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        zoom(far(now) / far(was), (now.x + other.x) / 2, (now.y + other.y) / 2);
        move(dx / 2, dy / 2);
      } else if (drag === "window") level(at.w + dx, at.l + dy / 2);
      else move(dx, dy);
      fingers.set(event.pointerId, now);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => fingers.delete(event.pointerId));
    }
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) actions[button.dataset.do]();
    });
    root.addEventListener("input", ({ target }) => {
      if (target.dataset.level) { at[target.dataset.level] = +target.value; draw(); }
      else if (target.matches("[data-opacity], [data-heat-switch]")) showHeat();
    });
    root.addEventListener("change", ({ target }) => {
      if (target.matches("[data-preset]") && PRESETS[target.value]) level(...PRESETS[target.value]);
    });
    document.addEventListener("fullscreenchange", draw);
    new ResizeObserver(draw).observe(stage);

    root.classList.add("viewer--live");
    for (const hidden of body.querySelectorAll("[hidden]:not(option)")) hidden.hidden = false;
    paint();
    const keep = () => { root.classList.add("viewer--live"); showHeat(); draw(); };
    return { root, stage, actions, move, isFull, keep };
  };

  const attach = () => {
    for (const root of document.querySelectorAll("[data-viewer]")) {
      if (!views.has(root)) views.set(root, viewer(root));
      else views.get(root).keep();
    }
  };

  const KEYS = {
    "+": "in", "=": "in", "-": "out", 0: "fit", 1: "one", w: "window", i: "invert", r: "turn", f: "full", x: "reset",
    h: "heat", "[": "darker", "]": "brighter", "{": "softer", "}": "harder",
  };
  const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const typing = (target) => target.matches?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=range], [type=submit])");
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(target)) return;
    // Everywhere on the page, unless the doctor has switched single keys off; then only with the focus in the viewer.
    const inside = target.closest?.("[data-viewer]");
    const anywhere = !document.cookie.includes("keys=off");
    const view = views.get(inside || (anywhere && document.querySelector("[data-viewer]")) || document);
    if (!view) return;
    const arrow = target === view.stage && ARROWS[key];
    if (arrow) view.move(arrow[0] * MOVE, arrow[1] * MOVE);
    else if (key === "Escape" && view.root.classList.contains("viewer--full")) view.actions.full();
    else if (KEYS[key]) view.actions[KEYS[key]]();
    else return;
    event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", attach);
  attach();
})();
