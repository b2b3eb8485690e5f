// One plain sentence in #page-message whenever htmx gets no usable answer: error pages are never swapped in.
(() => {
  const { _ } = window.csss;
  const SENTENCES = {
    400: _("The request was not accepted. Load the page again and try once more."),
    401: _("Your session has ended. Sign in again to go on."),
    403: _("Your account may not do this."),
    404: _("This is no longer here. Load the page again."),
    409: _("Somebody else has changed this in the meantime. Load the page again to see its current state."),
    413: _("The file is too large."),
    429: _("Too many tries. Wait a minute, then try again."),
  };
  const SERVER = _("The server could not answer. Nothing has been changed on this page. Try again in a minute.");
  const LINE = _("The connection to the server is broken. What you have entered is still here. Try again in a minute.");

  const say = (sentence) => {
    const box = document.getElementById("page-message");
    if (!box) return;
    const paragraph = document.createElement("p");
    paragraph.textContent = sentence;
    box.replaceChildren(paragraph);
    // Scrolled into view without moving the focus: role="alert" makes screen readers read it.
    if (box.getBoundingClientRect().top < 0) box.scrollIntoView({ block: "start" });
  };

  // Our own error fragments contain their sentence; a proxy's page does not, and is read as text only.
  const ownSentence = (text) =>
    new DOMParser().parseFromString(text || "", "text/html").querySelector("[data-page-message]")?.textContent.trim();

  // The element itself says what this status does (hx-status:422), so it is no failure to report.
  const handled = (element, status) => {
    const code = String(status);
    return [code, `${code.slice(0, 2)}x`, `${code[0]}xx`].some((pattern) => {
      const name = `hx-status:${pattern}`;
      return element?.hasAttribute?.(name) || element?.closest?.(`[${CSS.escape(`${name}:inherited`)}]`);
    });
  };

  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    // Only an answer that ends elsewhere (the sign-in page after a session has ended) needs no words.
    if (ctx.hx?.redirect || ctx.hx?.refresh || handled(ctx.sourceElement, ctx.response.status)) return;
    const status = ctx.response.status;
    say(ownSentence(ctx.text) || SENTENCES[status] || (status >= 500 ? SERVER : SENTENCES[400]));
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx && !event.detail.ctx.response) say(LINE);
    else say(SERVER);
  });
  document.addEventListener("htmx:before:request", () => document.getElementById("page-message")?.replaceChildren());

  // Our other scripts (the upload) show their messages here, too.
  Object.assign(window.csss, { say, ownSentence, sentences: SENTENCES, server: SERVER, line: LINE });
})();
