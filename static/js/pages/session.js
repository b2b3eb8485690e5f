// A page with typed text stays open when the session has ended, and says so; any other page goes to sign-in.
// After signing in again in another window, the form of this one can be sent: its token is valid for the same person.
(() => {
  const { _ } = window.csss;
  let typed = Boolean(document.querySelector("main [data-error-summary]")), notice;
  for (const name of ["input", "change"]) {
    document.addEventListener(name, ({ target }) => {
      typed = typed || Boolean(target.form?.method === "post" && target.closest("main"));
    });
  }
  const clear = () => { notice?.remove(); notice = undefined; };
  const tell = (there) => {
    if (notice?.isConnected) { notice.scrollIntoView({ block: "nearest" }); return; }
    const link = Object.assign(document.createElement("a"), { href: there, target: "_blank", rel: "noopener" });
    link.textContent = _("Sign in again in a new window.");
    const words = document.createElement("p");
    words.append(_("Your session has ended. Nothing was sent, and what you have entered is still here."), " ", link,
      " ", _("Then come back to this one and press the button again."));
    notice = Object.assign(document.createElement("div"), { className: "page-message", role: "alert" });
    notice.append(words);
    document.getElementById("page-message").before(notice);
    if (notice.getBoundingClientRect().top < 0) notice.scrollIntoView({ block: "start" });
  };
  // True when the page stays. For the upload, which does not go through htmx.
  const stays = (there) => {
    if (typed) tell(there);
    return typed;
  };
  // In the capture phase: before other scripts show a message, and before htmx follows it.
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401 || !ctx.hx?.redirect || !stays(ctx.hx.redirect)) return;
    delete ctx.hx.redirect;
    event.stopPropagation();
  }, true);
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => { if (ctx.response.status < 400) clear(); });
  Object.assign(window.csss, { stays });
})();
