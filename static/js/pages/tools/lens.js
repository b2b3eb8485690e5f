// The magnifier of the reading page: a round glass that follows the pointer, or the arrow keys; 2.5 times as large.
(() => {
  const TIMES = 2.5, STEP = 16;
  csss.overPicture.push((view) => {
    const { stage, at } = view;
    const glass = document.createElement("div"), sheet = glass.appendChild(document.createElement("div"));
    let here;
    glass.className = "viewer__lens";
    glass.setAttribute("aria-hidden", "true");
    sheet.style.width = `${view.width}px`;
    sheet.style.height = `${view.height}px`;

    const paint = () => {
      if (at.tool !== "loupe") { glass.remove(); here = undefined; return; }
      here = here || { x: stage.clientWidth / 2, y: stage.clientHeight / 2 };
      if (!glass.isConnected) stage.append(glass);
      const pictures = view.pictures();
      for (const [number, picture] of pictures.entries()) {
        const copy = sheet.children[number] || sheet.appendChild(new Image());
        if (copy.src !== picture.src) { copy.src = picture.src; copy.alt = ""; }
        copy.style.filter = picture.style.filter;
      }
      const half = glass.clientWidth / 2;
      glass.style.left = `${here.x - half}px`;
      glass.style.top = `${here.y - half}px`;
      sheet.style.transform = view.transform(half + (at.x - here.x) * TIMES, half + (at.y - here.y) * TIMES, at.s * TIMES);
    };
    return {
      paint,
      down: () => at.tool === "loupe",
      move: (point) => { if (at.tool === "loupe") { here = point; view.draw(); } },
      up: () => {},
      clear: () => {},
      enter: () => false,
      arrow: (x, y) => {
        if (at.tool !== "loupe") return false;
        here = { x: here.x - x * STEP, y: here.y - y * STEP };
        view.draw();
        return true;
      },
    };
  });
})();
