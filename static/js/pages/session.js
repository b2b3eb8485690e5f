// A page with something typed in it stays when the session has ended, and says so; any other is led to sign-in by the answer.
// Whoever signs in again in another window can send the form of this one: its token holds for the same person.
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
  // Caught on its way down: before others speak of it, and before htmx obeys it.
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401 || !ctx.hx?.redirect || !stays(ctx.hx.redirect)) return;
    delete ctx.hx.redirect;
    event.stopPropagation();
  }, true);
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => { if (ctx.response.status < 400) clear(); });
  Object.assign(window.csss, { stays });
})();
