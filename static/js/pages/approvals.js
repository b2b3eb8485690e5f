// Ticking reports that are approved together: the button says how many, and one click ticks all. It also works without script.
(() => {
  const form = () => document.querySelector("form[data-together]");
  const boxes = () => [...(form()?.querySelectorAll("input[name=scan]") || [])];
  const ticked = new Set();

  const show = () => {
    const here = form(), go = here?.querySelector("[data-together-go] span"), all = here?.querySelector("[data-together-all]");
    if (!go) return;
    const count = boxes().filter((box) => box.checked).length;
    here.dataset.words ||= go.textContent;
    go.textContent = count === 0 ? here.dataset.words : count === 1 ? here.dataset.one : here.dataset.many.replace("%s", count);
    all.hidden = count === boxes().length;
  };

  document.addEventListener("change", ({ target }) => {
    if (target.name !== "scan" || !form()?.contains(target)) return;
    if (target.checked) ticked.add(target.id); else ticked.delete(target.id);
    show();
  });
  document.addEventListener("click", ({ target }) => {
    if (!target.closest("[data-together-all]")) return;
    for (const box of boxes()) { box.checked = true; ticked.add(box.id); }
    boxes()[0]?.focus();
    show();
  });
  // The list refreshes itself when something changes: ticked reports stay ticked, as long as it can be approved.
  document.addEventListener("htmx:after:swap", () => {
    for (const box of boxes()) if (ticked.has(box.id)) box.checked = true;
    show();
  });
  for (const box of boxes()) if (box.checked) ticked.add(box.id);
  show();
})();
