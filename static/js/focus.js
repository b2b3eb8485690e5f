// After a form came back with errors, or was refused because somebody else was first, the summary has the focus, with htmx
// and without.
(() => {
  const focusSummary = (root) => {
    const summary = root.querySelector("[data-error-summary]");
    if (summary) summary.focus();
    return Boolean(summary);
  };
  document.addEventListener("htmx:after:swap", (event) => {
    if (![409, 422].includes(event.detail.ctx?.response?.status)) return;
    if (focusSummary(document)) return;
    document.querySelector("[aria-invalid='true']")?.focus();
  });
  document.addEventListener("csss:form-replaced", (event) => focusSummary(event.target));

  // A link in the summary leads to a field; for a group of choices that is its first choice.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-error-summary] a[href^='#']");
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target) return;
    const field = target.matches("fieldset, div, ul") ? target.querySelector("input, select, textarea") : target;
    if (!field) return;
    event.preventDefault();
    field.closest("details")?.setAttribute("open", "");
    field.focus({ preventScroll: true });
    (field.closest(".field, .choice") || field).scrollIntoView({ block: "center" });
  });

  focusSummary(document);
})();
