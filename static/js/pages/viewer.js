// The picture of a scan on the reading page: zoom, move, window and level, invert, turn, flip, full screen, heat map; by
// mouse, touch and keyboard. Two pictures side by side are zoomed, moved and windowed together. The
// measuring tools (pages/tools) are loaded when one is chosen. An SVG filter changes the grey values, fast enough for large
// pictures. Content that the server sends later (htmx) never changes the figure; only the heat map's switch beside it may
// appear or disappear.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const PRESETS = { normal: [255, 127.5], lung: [150, 70], soft: [110, 140], bone: [130, 190] };
  const STEP = 1.25, MOST = 16, MOVE = 48;
  const TOOLS = ["window", "loupe", "length", "angle", "ratio"]; // at most one of them is active
  const views = new WeakMap();
  let linked = true, active;
  const shown = () => [...document.querySelectorAll("[data-viewer]")].map((root) => views.get(root)).filter(Boolean);
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
    const start = { w: 255, l: 127.5, invert: false, turn: 0, flip: false };
    const at = { ...start, s: 1, x: 0, y: 0, fitted: true, tool: "" };
    const fingers = new Map(), layers = [];
    let drag, full, fullState = "preview", heat, finding, saying, hinting, frame, leads = false, entered = false;

    // The parts of the picture are in one element, which is moved as a whole.
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
    const note = (name) => {
      const element = stage.appendChild(document.createElement("p"));
      element.className = name;
      element.hidden = true;
      return element;
    };
    const mirrored = note("viewer__mirrored"), hint = note("viewer__hint");
    mirrored.textContent = words.flipped;

    const dpr = () => window.devicePixelRatio || 1;
    const size = () => (at.turn % 2 ? [height, width] : [width, height]);
    const fitScale = () => {
      const [w, h] = size();
      return Math.min(stage.clientWidth / w, stage.clientHeight / h) || 1;
    };

    // From a point of the picture to the stage and back; both are counted from the upper left corner.
    const toStage = ({ x, y }) => {
      let dx = (x - width / 2) * at.s, dy = (y - height / 2) * at.s;
      for (let turns = 0; turns < at.turn; turns += 1) [dx, dy] = [-dy, dx];
      return { x: at.x + (at.flip ? -dx : dx), y: at.y + dy };
    };
    const toPicture = ({ x, y }) => {
      let dx = (at.flip ? at.x - x : x - at.x) / at.s, dy = (y - at.y) / at.s;
      for (let turns = 0; turns < at.turn; turns += 1) [dx, dy] = [dy, -dx];
      return { x: width / 2 + dx, y: height / 2 + dy };
    };
    const transform = (x, y, s) => `translate(${x}px, ${y}px) scaleX(${at.flip ? -1 : 1}) rotate(${at.turn * 90}deg) scale(${s}) translate(-50%, -50%)`;

    // The values that the other picture follows: how far beyond the frame, which part, and the grey values.
    const standing = () => {
      const middle = toPicture({ x: stage.clientWidth / 2, y: stage.clientHeight / 2 });
      return { by: at.s / fitScale(), x: middle.x / width, y: middle.y / height, w: at.w, l: at.l, invert: at.invert, fitted: at.fitted };
    };
    const follow = (to) => {
      Object.assign(at, { w: to.w, l: to.l, invert: to.invert, fitted: to.fitted, s: fitScale() * to.by });
      Object.assign(at, { x: stage.clientWidth / 2, y: stage.clientHeight / 2 });
      const there = toStage({ x: to.x * width, y: to.y * height });
      at.x += stage.clientWidth / 2 - there.x;
      at.y += stage.clientHeight / 2 - there.y;
      if (to.by > 1.001) loadFull();
      draw();
    };

    const paint = () => {
      frame = 0;
      if (at.fitted) Object.assign(at, { s: fitScale(), x: stage.clientWidth / 2, y: stage.clientHeight / 2 });
      const [w, h] = size();
      const room = (length, view) => Math.max(0, (length * at.s - view) / 2);
      const across = room(w, stage.clientWidth), down = room(h, stage.clientHeight);
      at.x = clamp(at.x, stage.clientWidth / 2 - across, stage.clientWidth / 2 + across);
      at.y = clamp(at.y, stage.clientHeight / 2 - down, stage.clientHeight / 2 + down);
      sheet.style.transform = transform(at.x, at.y, at.s);
      const sign = at.invert ? -1 : 1;
      for (const curve of curves) {
        curve.setAttribute("slope", sign * 255 / at.w);
        curve.setAttribute("intercept", 0.5 - sign * at.l / at.w);
      }
      const plain = at.w === 255 && at.l === 127.5 && !at.invert;
      for (const picture of [base, full]) if (picture) picture.style.filter = plain ? "" : `url(#${filter.id})`;
      stage.classList.toggle("is-zoomed", across + down > 0);
      stage.classList.toggle("is-window", at.tool === "window");
      stage.classList.toggle("is-tool", Boolean(at.tool) && at.tool !== "window");
      mirrored.hidden = !at.flip;
      const pressed = { invert: at.invert, flip: at.flip, full: isFull(), link: linked };
      for (const name of TOOLS) pressed[name] = at.tool === name;
      for (const name in pressed) body.querySelector(`[data-do=${name}]`)?.setAttribute("aria-pressed", pressed[name]);
      for (const slider of body.querySelectorAll("[data-level]")) slider.value = at[slider.dataset.level];
      const preset = Object.keys(PRESETS).find((name) => PRESETS[name][0] === at.w && PRESETS[name][1] === at.l);
      body.querySelector("[data-preset]").value = preset || "own";
      const told = [
        `${words.zoom} ${Math.round(at.s * dpr() * 100)} %`,
        `${words.window} ${Math.round(at.w)}, ${words.level} ${Math.round(at.l)}`,
        at.invert && words.inverted, at.turn && `${words.turned} ${at.turn * 90}°`, at.flip && words.flipped, words[fullState],
      ].filter(Boolean).join(" · ");
      for (const layer of layers) layer.paint();
      if (leads && linked) for (const other of shown()) if (other !== view) other.follow(standing());
      leads = false;
      if (told === readout.textContent) return;
      const first = !readout.textContent;
      readout.textContent = told;
      clearTimeout(saying);
      if (!first) saying = setTimeout(() => { root.querySelector("[data-viewer-status]").textContent = told; }, 700);
    };
    const draw = () => { frame = frame || requestAnimationFrame(paint); };
    const lead = () => { leads = true; draw(); };

    // The full picture covers the preview when it is loaded; it is requested when somebody zooms in.
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
      lead();
    };
    const move = (x, y) => { if (!at.fitted) { at.x += x; at.y += y; lead(); } };
    const level = (w, l) => { at.w = clamp(w, 10, 500); at.l = clamp(l, 0, 255); lead(); };
    // Enter pressed while the tools are loading is not lost.
    const enter = () => {
      entered = !layers.length && Boolean(csss.overPicture);
      return entered || layers.some((layer) => layer.enter());
    };
    const fetchTools = () => {
      if (csss.overPicture) return;
      const tools = document.head.appendChild(document.createElement("script"));
      tools.src = root.dataset.tools;
      csss.overPicture = [];
      tools.onload = () => { for (const each of shown()) each.overlay(); };
      tools.onerror = () => { csss.overPicture = undefined; tools.remove(); };
    };
    const take = (tool) => {
      if (tool !== "window") fetchTools();
      if (tool === "loupe") loadFull();
      at.tool = at.tool === tool ? "" : tool;
      draw();
    };
    const place = ({ clientX, clientY }) => {
      const box = stage.getBoundingClientRect();
      return { x: clientX - box.left - stage.clientLeft, y: clientY - box.top - stage.clientTop };
    };
    const isFull = () => document.fullscreenElement === root || root.classList.contains("viewer--full");

    const actions = {
      in: () => zoom(STEP),
      out: () => zoom(1 / STEP),
      fit: () => { at.fitted = true; lead(); },
      one: () => { loadFull(); at.fitted = false; zoom(1 / dpr() / at.s); },
      ...Object.fromEntries(TOOLS.map((tool) => [tool, () => take(tool)])),
      invert: () => { at.invert = !at.invert; lead(); },
      turn: () => { at.turn = (at.turn + (at.flip ? 3 : 1)) % 4; draw(); },
      flip: () => { at.flip = !at.flip; draw(); },
      link: () => { linked = !linked; lead(); for (const other of shown()) other.draw(); },
      reset: () => {
        Object.assign(at, start, { fitted: true, tool: "" });
        for (const layer of layers) layer.clear();
        lead();
      },
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

    // Loaded only when it is needed: the map of the whole answer, or of the finding whose link was followed (`finding`).
    const links = () => [...document.querySelectorAll("[data-heat]")].filter((link) => link.getAttribute("aria-controls") === stage.id);
    const showHeat = () => {
      const tools = root.querySelector("[data-heatmap]");
      const on = Boolean(tools?.querySelector("[data-heat-switch]").checked);
      if (!on) finding = undefined;
      const link = links().find((each) => each.dataset.heat === finding);
      for (const each of links()) each.toggleAttribute("aria-current", each === link);
      link?.setAttribute("aria-current", "true");
      const address = link ? finding : tools?.dataset.heatmap;
      if (on && heat?.getAttribute("src") !== address) {
        heat?.remove();
        heat = new Image();
        heat.className = "viewer__heatmap";
        heat.src = address;
      }
      if (on) {
        heat.alt = [tools.dataset.alt, link?.dataset.heatName].filter(Boolean).join(": ");
      }
      if (tools) tools.querySelector("[data-heat-of]").textContent = link?.dataset.heatName || "";
      if (heat && on) { sheet.append(heat); heat.style.opacity = tools.querySelector("[data-opacity]").value / 100; }
      else heat?.remove();
      const slider = tools?.querySelector(".viewer__opacity");
      if (slider) slider.hidden = !on;
      tools?.classList.toggle("is-on", on);
    };
    // Followed once more, the link takes its map away. False where there is no switch: then the page itself is asked for.
    const heatOf = (link) => {
      const box = root.querySelector("[data-heat-switch]");
      if (!box) return false;
      box.checked = finding !== link.dataset.heat;
      finding = box.checked ? link.dataset.heat : undefined;
      showHeat();
      root.querySelector("[data-viewer-status]").textContent = box.checked ? heat.alt : "";
      stage.scrollIntoView({ block: "nearest" });
      return true;
    };

    // Without a key the wheel scrolls the page, as everywhere; in full screen there is nothing to scroll.
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !isFull()) {
        hint.textContent = csss._("Hold %(key)s and turn the wheel to zoom", { key: /Mac/.test(navigator.platform) ? "⌘" : "Ctrl" });
        hint.hidden = false;
        clearTimeout(hinting);
        hinting = setTimeout(() => { hint.hidden = true; }, 1500);
        return;
      }
      hint.hidden = true;
      event.preventDefault();
      const { x, y } = place(event);
      zoom(Math.exp(-clamp(event.deltaY, -200, 200) * (event.ctrlKey && Math.abs(event.deltaY) < 50 ? 0.01 : 0.0018)), x, y);
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => {
      const { x, y } = place(event);
      if (at.fitted) zoom(Math.max(1 / dpr() / at.s, 2), x, y);
      else actions.fit();
    });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => {
      if (event.button === 1 || event.target.closest("button")) return;
      fingers.set(event.pointerId, place(event));
      stage.setPointerCapture(event.pointerId);
      drag = event.button === 2 || at.tool === "window" ? "window" : "pan";
      if (drag === "pan" && layers.some((layer) => layer.down(place(event)))) drag = "tool";
    });
    stage.addEventListener("pointermove", (event) => {
      const was = fingers.get(event.pointerId), now = place(event);
      for (const layer of layers) layer.move(now, drag === "tool" && Boolean(was));
      if (!was || drag === "tool") return;
      const dx = now.x - was.x, dy = now.y - was.y;
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
      stage.addEventListener(name, (event) => {
        fingers.delete(event.pointerId);
        if (drag === "tool") for (const layer of layers) layer.up(name === "pointerup" ? place(event) : undefined);
        if (!fingers.size) drag = "";
      });
    }
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) actions[button.dataset.do]();
    });
    root.addEventListener("input", ({ target }) => {
      if (target.dataset.level) { at[target.dataset.level] = +target.value; lead(); }
      else if (target.matches("[data-opacity], [data-heat-switch]")) showHeat();
    });
    root.addEventListener("change", ({ target }) => {
      if (target.matches("[data-preset]") && PRESETS[target.value]) level(...PRESETS[target.value]);
    });
    body.querySelector(".viewer__tools").addEventListener("pointerenter", fetchTools);
    document.addEventListener("fullscreenchange", draw);
    new ResizeObserver(draw).observe(stage);
    for (const name of ["pointerdown", "focusin"]) root.addEventListener(name, () => { active = view; });

    const overlay = () => {
      if (!layers.length) layers.push(...(csss.overPicture || []).map((layer) => layer(view)));
      if (entered && layers.length) enter();
      draw();
    };
    const view = {
      root, stage, body, at, width, height, actions, move, follow, draw, isFull, toStage, toPicture, transform, standing,
      pictures: () => [base, full].filter(Boolean),
      arrow: (x, y) => layers.some((layer) => layer.arrow(x, y)) || move(x * MOVE, y * MOVE),
      enter, overlay, heatOf,
      keep: () => { root.classList.add("viewer--live"); showHeat(); draw(); },
    };
    overlay();
    root.classList.add("viewer--live");
    for (const each of body.querySelectorAll(".viewer__tools, .viewer__levels")) each.hidden = false;
    finding = links().find((link) => link.getAttribute("aria-current"))?.dataset.heat; // the address asks for it
    showHeat();
    paint();
    return view;
  };

  const attach = () => {
    const before = shown();
    for (const root of document.querySelectorAll("[data-viewer]")) {
      if (!views.has(root)) views.set(root, viewer(root));
      else views.get(root).keep();
    }
    if (before.length === 1 && linked) for (const other of shown()) if (other !== before[0]) other.follow(before[0].standing());
  };

  const KEYS = {
    "+": "in", "=": "in", "-": "out", 0: "fit", 1: "one", w: "window", i: "invert", r: "turn", f: "full", x: "reset",
    v: "flip", m: "loupe", l: "length", g: "angle", c: "ratio", y: "link", h: "heat", "[": "darker", "]": "brighter", "{": "softer", "}": "harder",
  };
  const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const typing = (target) => target.matches?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=range], [type=submit])");
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(target) || document.querySelector("dialog[open]")) return;
    // Anywhere on the page, unless the doctor has switched single keys off; then only with the focus in the viewer.
    const inside = target.closest?.("[data-viewer]");
    const anywhere = !document.cookie.includes("keys=off");
    const all = shown();
    const view = views.get(inside) || (anywhere && (all.includes(active) ? active : all[0]));
    if (!view) return;
    const arrow = target === view.stage && ARROWS[key];
    if (arrow) view.arrow(...arrow);
    else if (key === "Enter" && target === view.stage && view.enter()) event.preventDefault();
    else if (key === "Escape" && view.root.classList.contains("viewer--full")) view.actions.full();
    else if (KEYS[key]) view.actions[KEYS[key]]();
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-heat]");
    const root = link && document.getElementById(link.getAttribute("aria-controls"))?.closest("[data-viewer]");
    if (!views.has(root) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (views.get(root).heatOf(link)) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", attach);
  attach();
})();
