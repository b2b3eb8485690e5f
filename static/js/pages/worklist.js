// The worklist by keyboard. The letters can be switched off (WCAG 2.1.4) and never act while somebody types.
(() => {
  const help = document.getElementById("keys");
  const shown = document.getElementById("show-keys");
  const on = document.getElementById("keys-on");
  if (!help?.showModal) return;
  shown.hidden = false;
  shown.addEventListener("click", () => help.showModal());
  on.checked = !/(^|; )keys=off/.test(document.cookie);
  on.addEventListener("change", () => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `keys=${on.checked ? "on" : "off"}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });

  const rows = () => [...document.querySelectorAll("#worklist tbody tr")];
  const current = () => rows().findIndex((row) => row.contains(document.activeElement));
  const go = (row) => row?.querySelector("a[href]")?.focus();
  const move = (step) => {
    const all = rows(), at = current();
    go(all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)]);
  };
  const next = () => {
    const row = rows().slice(current() + 1).find((each) => "ready" in each.dataset);
    (row?.querySelector("a[href]") || document.getElementById("next-scan")).click();
  };
  const search = () => { const field = document.querySelector("input[type=search]"); field.focus(); field.select(); };
  const letters = { j: () => move(1), k: () => move(-1), n: next, "/": search, "?": () => help.showModal() };
  const arrows = { ArrowDown: () => move(1), ArrowUp: () => move(-1) };

  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (target.closest("input, select, textarea")) return;
    // The arrow keys scroll the page as usual, except from row to row.
    const act = (target.closest("#worklist tbody") && arrows[event.key]) || (on.checked && letters[event.key]);
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
