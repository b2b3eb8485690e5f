// Remembers the colours in a cookie that holds one of four words and nothing about the person. They are chosen in the small
// menu at the top, or among the choices of the account page, which without script are sent as a form.
(() => {
  const root = document.documentElement;
  const menu = document.querySelector("[data-theme-menu]");
  const show = (value) => {
    root.dataset.theme = value;
    for (const button of document.querySelectorAll("[data-theme-value]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeValue === value));
    }
    for (const choice of document.querySelectorAll("input[name=theme]")) choice.checked = choice.value === value;
  };
  const keep = (value) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    show(value);
  };
  document.addEventListener("change", ({ target }) => { if (target.name === "theme") keep(target.value); });
  if (!menu) return;
  menu.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-theme-value]");
    if (button) keep(button.dataset.themeValue);
  });
  document.addEventListener("click", ({ target }) => { if (!menu.contains(target)) menu.open = false; });
  menu.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  show(root.dataset.theme || "auto");
  menu.hidden = false;
})();
