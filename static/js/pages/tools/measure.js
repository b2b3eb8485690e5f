// Measuring on the picture: a length in pixels, an angle, the cardiothoracic ratio. A line is drawn with the pointer, or Enter
// places one in the middle; its ends are buttons, which are dragged or moved with the arrow keys; Delete removes it.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  // Which points lines join, what an end is called, and where Enter places it (as parts of the visible area, from the middle).
  const heart = () => csss._("Heart"), chest = () => csss._("Chest");
  const KINDS = {
    length: { name: () => csss._("Length"), lines: [[0, 1]], at: [[-0.15, 0], [0.15, 0]] },
    angle: { name: () => csss._("Angle"), lines: [[0, 1], [1, 2]], at: [[-0.15, -0.1], [0, 0.1], [0.15, -0.1]] },
    ratio: { name: () => csss._("Cardiothoracic ratio"), lines: [[0, 1], [2, 3]], ends: [heart, heart, chest, chest], at: [[-0.08, 0], [0.12, 0], [-0.25, 0.1], [0.25, 0.1]] },
  };
  const far = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);

  // Numbers, and what is put into the findings (nothing for a length: pixels tell the reader nothing).
  const result = ({ kind, points: [a, b, c, d] }) => {
    if (kind === "length") return { said: csss._("%(number)s px", { number: Math.round(far(a, b)) }) };
    if (kind === "angle") {
      const turn = Math.abs(Math.atan2(a.y - b.y, a.x - b.x) - Math.atan2(c.y - b.y, c.x - b.x)) * 180 / Math.PI;
      const said = `${Math.round(turn > 180 ? 360 - turn : turn)}°`;
      return { said, text: csss._("Angle %(value)s.", { value: said }) };
    }
    if (!d) return { said: csss._("now draw the chest") };
    const said = far(c, d) ? (far(a, b) / far(c, d)).toFixed(2) : "–";
    return { said, text: csss._("Cardiothoracic ratio %(value)s.", { value: said }) };
  };

  csss.overPicture.push((view) => {
    const { stage, at } = view;
    const list = view.body.querySelector("[data-measures]");
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("class", "viewer__lines");
    drawing.setAttribute("aria-hidden", "true");
    let measures = [], begun;

    const say = (words) => { view.root.querySelector("[data-viewer-status]").textContent = words; };
    const remove = (measure) => {
      for (const end of measure.ends) end.remove();
      measure.row.remove();
      measures = measures.filter((each) => each !== measure);
      stage.focus({ preventScroll: true });
      view.draw();
    };
    const endOf = (measure, number) => {
      const end = document.createElement("button"), { name, ends } = KINDS[measure.kind];
      end.type = "button";
      end.className = "viewer__end";
      end.setAttribute("aria-label", [name(), ends?.[number]?.(), csss._("end %(number)s", { number: ends ? number % 2 + 1 : number + 1 })].filter(Boolean).join(", "));
      const to = (x, y) => {
        const box = stage.getBoundingClientRect();
        measure.points[number] = view.toPicture({ x: x - box.left - stage.clientLeft, y: y - box.top - stage.clientTop });
        view.draw();
      };
      end.addEventListener("pointerdown", (event) => { end.setPointerCapture(event.pointerId); event.stopPropagation(); });
      end.addEventListener("pointermove", (event) => { if (end.hasPointerCapture(event.pointerId)) to(event.clientX, event.clientY); });
      end.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (step) {
          const here = view.toStage(measure.points[number]), by = event.shiftKey ? 20 : 2;
          measure.points[number] = view.toPicture({ x: here.x + step[0] * by, y: here.y + step[1] * by });
          view.draw();
          say(`${name()} ${result(measure).said}`);
        } else if (event.key === "Delete" || event.key === "Backspace") remove(measure);
        else return;
        event.preventDefault();
        event.stopPropagation();
      });
      return stage.appendChild(end);
    };
    const rowOf = (measure) => {
      const row = list.appendChild(document.createElement("li"));
      row.append(document.createElement("span"));
      const button = (words, act) => {
        const made = row.appendChild(document.createElement("button"));
        made.type = "button";
        made.textContent = words;
        made.addEventListener("click", act);
        return made;
      };
      if (measure.kind !== "length") {
        button(csss._("Put into the findings"), () => document.dispatchEvent(new CustomEvent("csss:into-findings", { detail: result(measure).text })));
      }
      button("×", () => remove(measure)).setAttribute("aria-label", csss._("Remove: %(name)s", { name: KINDS[measure.kind].name() }));
      return row;
    };
    const add = (kind, points) => {
      const measure = { kind, points, ends: [] };
      measure.row = rowOf(measure);
      measures.push(measure);
      return measure;
    };

    const line = (a, b, name) => {
      const made = drawing.appendChild(document.createElementNS(SVG, "line"));
      for (const [key, value] of Object.entries({ x1: a.x, y1: a.y, x2: b.x, y2: b.y, class: name })) made.setAttribute(key, value);
    };
    const paint = () => {
      if (measures.length && !drawing.isConnected) stage.append(drawing);
      drawing.replaceChildren();
      // Visible before the first line is drawn, so that nothing moves while drawing.
      const waits = !measures.length && KINDS[at.tool];
      list.hidden = !measures.length && !waits;
      if (waits && !list.hasChildNodes()) list.append(Object.assign(document.createElement("li"), { className: "hint", textContent: csss._("Draw on the picture, or press Enter.") }));
      else if (!waits) list.querySelector(".hint")?.remove();
      for (const measure of measures) {
        const there = measure.points.map(view.toStage), { said, text } = result(measure);
        for (const [from, to] of KINDS[measure.kind].lines) {
          if (!there[to]) continue;
          line(there[from], there[to], "under");
          line(there[from], there[to], "");
        }
        while (measure.ends.length < there.length) measure.ends.push(endOf(measure, measure.ends.length));
        there.forEach(({ x, y }, number) => Object.assign(measure.ends[number].style, { left: `${x}px`, top: `${y}px` }));
        const label = drawing.appendChild(document.createElementNS(SVG, "text")), last = there[measure.kind === "angle" ? 1 : there.length - 1];
        label.setAttribute("x", last.x + 12);
        label.setAttribute("y", last.y - 8);
        label.textContent = said;
        const words = `${KINDS[measure.kind].name()} ${said}`, shown = measure.row.firstChild;
        if (shown.textContent !== words) shown.textContent = words;
        const put = measure.kind !== "length" && measure.row.querySelector("button");
        if (put) put.hidden = !text || !document.querySelector("[data-review]");
      }
    };

    // A second line completes a ratio that has only the heart so far.
    const open = () => measures.find(({ kind, points }) => kind === "ratio" && kind === at.tool && points.length < 4);
    return {
      paint,
      clear: () => { for (const measure of measures) { measure.ends.forEach((end) => end.remove()); measure.row.remove(); } measures = []; },
      arrow: () => false,
      enter: () => {
        const kind = KINDS[at.tool];
        if (!kind) return false;
        const { clientWidth: w, clientHeight: h } = stage;
        const measure = add(at.tool, kind.at.map(([x, y]) => view.toPicture({ x: w / 2 + x * h, y: h / 2 + y * h })));
        paint();
        measure.ends[0].focus({ preventScroll: true });
        return true;
      },
      down: (point) => {
        if (!KINDS[at.tool]) return false;
        const here = view.toPicture(point), more = open();
        begun = { measure: more, from: here };
        return true;
      },
      move: (point, drawn) => {
        if (!drawn || !begun) return;
        const here = view.toPicture(point);
        if (!begun.measure) {
          begun.measure = add(at.tool, [begun.from, here]);
          begun.at = 0;
        } else if (begun.at === undefined) {
          begun.at = 2;
          begun.measure.points.push(begun.from, here);
        } else begun.measure.points[begun.at + 1] = here;
        view.draw();
      },
      up: (point) => {
        const measure = begun?.measure;
        if (measure && point && begun.at !== undefined) measure.points[begun.at + 1] = view.toPicture(point);
        begun = undefined;
        if (!measure) return;
        // The second arm of an angle is perpendicular to the first, until it is moved.
        if (measure.kind === "angle" && measure.points.length === 2) {
          const [a, b] = measure.points;
          measure.points.push({ x: b.x - (a.y - b.y), y: b.y + (a.x - b.x) });
        }
        view.draw();
        say(`${KINDS[measure.kind].name()} ${result(measure).said}`);
      },
    };
  });
})();
