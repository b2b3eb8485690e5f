// The doctor's form on the reading page: one key says whether one agrees, a template lands at the cursor, Ctrl+Enter signs,
// and what has been typed is neither lost to a refresh nor to a closed window. Without script the same buttons ask the server.
(() => {
  const form = () => document.querySelector("[data-review]");
  const AGREE = { a: "agree", p: "partly", d: "disagree" };
  const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));
  const quiet = () => document.cookie.includes("keys=off");
  let unsaved = false, typed = 0, last;

  const agree = (value) => {
    const radio = form()?.querySelector(`[name=agreement][value=${value}]`);
    if (!radio) return;
    radio.checked = true;
    changed(radio);
    const status = form().querySelector("[data-review-status]");
    if (status) status.textContent = radio.labels[0].textContent;
  };

  // At the cursor, as if it had been typed: the browser's own undo takes it back.
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
  // What has to be chosen stands in brackets: the first one is marked, and typing replaces it.
  const toFirstGap = (field, from) => {
    const start = field.value.indexOf("[", from);
    const end = field.value.indexOf("]", start);
    if (start >= 0 && end > start) field.setSelectionRange(start, end + 1);
  };

  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if ((event.ctrlKey || event.metaKey) && key === "Enter") {
      const button = form()?.querySelector(event.shiftKey ? "[data-sign-next]" : "[data-sign]");
      if (!button || button.disabled || !form().contains(target)) return;
      event.preventDefault();
      button.click();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !AGREE[key]) return;
    if (quiet() || target.matches?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=range])")) return;
    agree(AGREE[key]);
    event.preventDefault();
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
    const box = keys();
    if (!box) return;
    box.checked = !quiet();
    box.closest("[hidden]")?.removeAttribute("hidden");
  };
  document.addEventListener("change", ({ target }) => {
    if (target !== keys()) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `keys=${target.checked ? "on" : "off"}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });

  // A draft is kept while typing (the form's own hx-post); what the pause has not sent yet goes when the window does.
  document.addEventListener("input", ({ target }) => {
    if (!form()?.contains(target)) return;
    unsaved = true;
    typed += 1;
  });
  const isDraft = (ctx) => ctx?.sourceElement?.matches?.("[data-draft]");
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => { if (isDraft(ctx)) ctx.typed = typed; });
  // What was typed while the line was slow is not in what has arrived.
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    if (isDraft(ctx) && ctx.response?.status === 200 && ctx.typed === typed) unsaved = false;
  });
  document.addEventListener("submit", ({ target }) => { if (target === form()) unsaved = false; });
  // Before the next page is asked for, so that it may show it already; and when a telephone puts the window away.
  const keepNow = () => {
    const box = unsaved && form()?.querySelector("[data-draft]");
    if (!box) return;
    unsaved = !navigator.sendBeacon(box.getAttribute("hx-post"), new FormData(form())); // it takes 64 kB at most
  };
  addEventListener("beforeunload", keepNow);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keepNow(); });

  // A refreshed page brings the form as the server knows it; what stands in a field is newer.
  document.addEventListener("htmx:before:morph:node", ({ detail: { oldNode, newNode } }) => {
    if (!oldNode.matches?.("textarea, input[type=text]") || oldNode.value === oldNode.defaultValue) return;
    if (newNode?.matches?.("textarea")) newNode.textContent = oldNode.value;
    else newNode?.setAttribute?.("value", oldNode.value);
  });
  document.addEventListener("htmx:after:swap", showKeys);
  showKeys();
})();
