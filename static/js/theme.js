// Remembers the colours in a cookie that holds one of four words and nothing about the person.
(() => {
  const root = document.documentElement;
  const group = document.querySelector("[data-theme-switch]");
  if (!group) return;
  const buttons = [...group.querySelectorAll("[data-theme-value]")];
  const show = (value) => {
    root.dataset.theme = value;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.themeValue === value));
  };
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-value]");
    if (!button) return;
    const value = button.dataset.themeValue;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    show(value);
  });
  show(root.dataset.theme || "auto");
  group.hidden = false;
})();
