// "Show" beside a password field; hidden again when the form is sent, so that no browser keeps it as plain text.
(() => {
  const set = (box, shown) => {
    const button = box.querySelector("[data-reveal-button]");
    box.querySelector("input").type = shown ? "text" : "password";
    const { dataset } = button;
    dataset.show ||= button.textContent;
    button.textContent = shown ? dataset.hide : dataset.show;
    button.setAttribute("aria-pressed", String(shown));
  };
  const prepare = (root) => {
    for (const button of root.querySelectorAll("[data-reveal-button][hidden]")) button.hidden = false;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-reveal-button]");
    if (button) set(button.closest("[data-reveal]"), button.getAttribute("aria-pressed") !== "true");
  });
  document.addEventListener("submit", (event) => {
    for (const box of event.target.querySelectorAll("[data-reveal]")) set(box, false);
  }, true);
  document.addEventListener("htmx:after:swap", () => prepare(document));
  prepare(document);
})();
