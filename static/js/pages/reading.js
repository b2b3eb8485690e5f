// The doctor's form on the reading page: keys choose the agreement and lead to the findings, the templates and the
// next scan; a template is inserted at the cursor, Ctrl+Enter signs, and typed text is not lost in a refresh or in a
// closed window. Without script the same buttons ask the server.
(() => {
  const form = () => document.querySelector("[data-review]");
  const AGREE = { a: "agree", p: "partly", d: "disagree" };
  const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));
  const quiet = () => document.cookie.includes("keys=off");
  const dialog = () => document.getElementById("keys");
  const TEXT = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=range])";
  const press = (name) => () => document.querySelector(`[data-key=${name}]`)?.click();
  const LEADS = {
    e: () => form()?.elements.findings.focus(),
    t: () => form()?.elements.template.focus(),
    n: press("n"), b: press("b"), s: press("s"), u: press("u"),
    "?": () => dialog()?.showModal(),
  };
  let unsaved = false, typed = 0, last;

  const agree = (value) => {
    const radio = form()?.querySelector(`[name=agreement][value=${value}]`);
    if (!radio) return;
    radio.checked = true;
    changed(radio);
    offer(value);
    const status = form().querySelector("[data-review-status]");
    if (status) status.textContent = radio.labels[0].textContent;
  };

  // A doctor who agrees gets the class filled in as the diagnosis; it is removed when the doctor no longer agrees.
  const offer = (agreement) => {
    const field = form()?.elements.diagnosis, words = field?.dataset.offer;
    if (!words || (agreement === "agree" ? field.value.trim() : field.value !== words || !field.dataset.offered)) return;
    field.value = agreement === "agree" ? words : "";
    field.dataset.offered = field.value;
    changed(field);
  };
  document.addEventListener("change", ({ target }) => { if (target.name === "agreement") offer(target.value); });

  document.addEventListener("click", ({ target }) => { if (target.closest?.("[data-agree-next]")) agree("agree"); }, true);

  // Errors are shown at once, with the cursor in the field, and disappear when corrected; the server checks again anyway.
  const toError = () => {
    const box = form()?.querySelector(".field--invalid");
    const field = box?.querySelector("textarea, select, input");
    if (!field) return;
    box.closest("details")?.setAttribute("open", "");
    field.focus({ preventScroll: true });
    box.scrollIntoView({ block: "center" });
  };
  const filled = (field) => (/radio|checkbox/.test(field.type) ? field.checked : field.value.trim());
  const mended = (field) => {
    const box = field?.closest(".field--invalid"), summary = form()?.querySelector("[data-error-summary]");
    if (!box) return;
    box.classList.remove("field--invalid");
    box.querySelector(".field__error")?.remove();
    for (const each of box.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
    summary?.querySelector(`a[href="#${box.id || field.id}"]`)?.closest("li").remove();
    if (summary && !summary.querySelector("li")) summary.remove();
  };
  document.addEventListener("input", ({ target }) => {
    if (!form()?.contains(target) || !filled(target)) return;
    mended(target);
    const { diagnosis, agreement } = form().elements;
    // An impression is a conclusion, too, unless the doctor has to say what it is instead.
    if (target.name === "impression" && !diagnosis.required && !/partly|disagree/.test(agreement?.value)) mended(diagnosis);
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => { if (ctx?.response?.status === 422) toError(); });
  toError();

  // What a first impression has revealed stands above the form, which was scrolled past it.
  let asked = false;
  document.addEventListener("htmx:before:swap", () => { asked = Boolean(form()?.querySelector("[data-reveal]")); });
  document.addEventListener("htmx:after:swap", () => {
    if (!asked || form()?.querySelector("[data-reveal]")) return;
    asked = false;
    document.getElementById("classifier")?.scrollIntoView({ block: "start" });
  });

  // At the cursor, as if it had been typed: the browser's undo removes it.
  const insert = (field, text) => {
    if (!field || !text) return;
    const before = field.value.slice(0, field.selectionStart);
    const gap = before && !/\s$/.test(before) ? "\n" : "";
    field.focus();
    if (!document.execCommand("insertText", false, gap + text)) {
      field.setRangeText(gap + text, field.selectionStart, field.selectionEnd, "end");
      changed(field);
    }
  };
  // What was measured on the picture (viewer/measure.js).
  document.addEventListener("csss:into-findings", ({ detail }) => {
    const { findings } = form()?.elements || {};
    if (document.activeElement !== findings) findings?.setSelectionRange(findings.value.length, findings.value.length);
    insert(findings, detail);
  });
  // Parts to choose are in brackets: the first one is selected, and typing replaces it.
  const toFirstGap = (field, from) => {
    const start = field.value.indexOf("[", from);
    const end = field.value.indexOf("]", start);
    if (start >= 0 && end > start) field.setSelectionRange(start, end + 1);
  };

  document.addEventListener("keydown", (event) => {
    const { target, key } = event, typing = target.matches?.(TEXT);
    if (dialog()?.open) return;
    // Leaves a field, so that letters are keys again.
    if (key === "Escape" && typing && form()?.contains(target)) document.querySelector("[data-viewer-stage]")?.focus();
    if (key === "Enter" && target.matches?.("[name=template]")) {
      event.preventDefault();
      form().querySelector("[data-insert]").click();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && key === "Enter") {
      const button = form()?.querySelector(event.shiftKey ? "[data-sign-next]" : "[data-sign]");
      if (!button || button.disabled || !form().contains(target)) return;
      event.preventDefault();
      button.click();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || quiet() || typing) return;
    const act = AGREE[key] ? () => agree(AGREE[key]) : LEADS[key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("focusin", ({ target }) => { if (target.matches?.("[data-review] textarea")) last = target; });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-insert]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const option = form().querySelector("[name=template]").selectedOptions[0];
    const { findings, impression } = form().elements;
    const from = findings.selectionStart;
    if (option.dataset.impression && !impression.value.trim()) insert(impression, option.dataset.impression);
    const into = last === impression && !option.dataset.findings ? impression : findings;
    insert(into, option.dataset.findings);
    toFirstGap(into, from);
  }, true);

  // The keys work anywhere on the page, or (for people who speak to their computer) only where the focus is.
  const keys = () => document.querySelector("[data-keys]");
  const showKeys = () => {
    keys().checked = !quiet();
    for (const button of document.querySelectorAll("[data-show-keys]")) button.hidden = false;
  };
  document.addEventListener("click", ({ target }) => { if (target.closest?.("[data-show-keys]")) dialog().showModal(); });
  document.addEventListener("change", ({ target }) => {
    if (target !== keys()) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `keys=${target.checked ? "on" : "off"}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });

  // A draft is kept while typing (the form's own hx-post); text that was not sent in a pause is sent when the window closes.
  document.addEventListener("input", ({ target }) => {
    if (!form()?.contains(target)) return;
    unsaved = true;
    typed += 1;
  });
  const isDraft = (ctx) => ctx?.sourceElement?.matches?.("[data-draft]");
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => { if (isDraft(ctx)) ctx.typed = typed; });
  // Text typed while the connection was slow is not in the answer.
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    if (isDraft(ctx) && ctx.response?.status === 200 && ctx.typed === typed) unsaved = false;
  });
  document.addEventListener("submit", ({ target }) => { if (target === form()) unsaved = false; });
  // Before the next page is requested, so that it can show the text; and when a phone hides the window.
  const keepNow = () => {
    const box = unsaved && form()?.querySelector("[data-draft]");
    if (!box) return;
    unsaved = !navigator.sendBeacon(box.getAttribute("hx-post"), new FormData(form())); // it takes 64 kB at most
  };
  addEventListener("beforeunload", keepNow);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keepNow(); });

  // A refreshed page brings the form as the server knows it; the text in a field is newer.
  document.addEventListener("htmx:before:morph:node", ({ detail: { oldNode, newNode } }) => {
    if (!oldNode.matches?.("textarea, input[type=text]") || oldNode.value === oldNode.defaultValue) return;
    if (newNode?.matches?.("textarea")) newNode.textContent = oldNode.value;
    else newNode?.setAttribute?.("value", oldNode.value);
  });
  document.addEventListener("htmx:after:swap", showKeys);
  showKeys();
})();
