// Forms [data-passkey] (templates/components/passkey.html). Sending one gets a request from the server, asks the browser for the
// passkey's answer, and sends the form with it. A browser that cannot do it says so; other ways stay on the page.
(() => {
  const { _ } = window.csss;
  const PROBLEMS = {
    NotAllowedError: _("No passkey was used: it was cancelled, or it took too long. Try again."),
    AbortError: _("No passkey was used: it was cancelled, or it took too long. Try again."),
    InvalidStateError: _("This device has a passkey for this account already."),
    NotSupportedError: _("This device cannot make a passkey that fits. Try another one, or a security key."),
    ConstraintError: _("This device cannot ask for your fingerprint, face or PIN. Set a screen lock first, or use another one."),
  };
  const ELSE = _("The passkey could not be used. Try again, or use another way.");
  const forms = () => document.querySelectorAll("form[data-passkey]");

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // By hand, because parseCreationOptionsFromJSON() is missing in browsers that hospitals still have.
  const read = (options) => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of [options.excludeCredentials, options.allowCredentials]) {
      for (const each of list || []) each.id = bytes(each.id);
    }
    return options;
  };
  const written = ({ id, rawId, type, response }) => {
    const parts = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = text(response[name]);
    }
    if (response.getTransports) parts.transports = response.getTransports();
    return JSON.stringify({ id, rawId: text(rawId), type, response: parts });
  };

  const say = (form, sentence) => { form.querySelector("[data-passkey-problem]").textContent = sentence; };
  // All messages beside the button, because the browser's own window has just drawn attention away from the fields.
  const refused = (form, errors) => {
    say(form, Object.values(errors).join(" "));
    for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) {
      if (errors[field.name]) { field.setAttribute("aria-invalid", "true"); field.focus(); }
      else field.removeAttribute("aria-invalid");
    }
  };

  // The options, or nothing when the reason has been shown.
  const ask = async (form) => {
    let answer;
    try {
      answer = await fetch(form.dataset.question, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
    } catch { say(form, window.csss.line); return; }
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) {
      if (answer.status !== 401 || !window.csss.stays?.(elsewhere)) location.assign(elsewhere);
      return;
    }
    const found = await answer.json().catch(() => null);
    if (answer.ok && found) return found;
    refused(form, found?.errors || { "": window.csss.sentences[answer.status] || window.csss.server });
  };

  const run = async (form) => {
    const options = await ask(form);
    if (!options) return;
    const publicKey = read(options);
    let credential;
    try {
      credential = await (form.dataset.passkey === "create" ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
    } catch (error) { say(form, PROBLEMS[error.name] || ELSE); return; }
    form.elements.passkey.value = written(credential);
    form.requestSubmit();
  };

  // Enter in a field presses the form's first button, whatever it is; if a code was typed there, the code has to be sent.
  const isOtherWay = (button) => {
    const at = document.activeElement;
    return button?.matches("[data-other-way]") || (at?.matches("input[data-other-way]") && at.value !== "");
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest?.("form[data-passkey]");
    // A form may have another way in it: a button that sends the code which was typed, or asks for one.
    if (!form || form.elements.passkey.value || isOtherWay(event.submitter)) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // htmx has to wait for the answer, too
    const button = form.querySelector("[data-passkey-button]");
    if (button.hidden || button.disabled) return;
    button.disabled = true;
    say(form, "");
    await run(form);
    button.disabled = false;
  }, true);

  const prepare = () => {
    for (const form of forms()) {
      for (const words of form.querySelectorAll("[data-passkey-off]")) words.hidden = true;
      const here = location.origin === form.dataset.origin;
      if (window.PublicKeyCredential && here) {
        form.hidden = false;
        form.querySelector("[data-passkey-button]").hidden = false;
      } else {
        say(form, here
          ? _("This browser cannot use passkeys.")
          : _("Passkeys work only at %(address)s. Open this page there.", { address: form.dataset.origin }));
      }
    }
  };
  // An answer works once: a page restored from the browser's cache has to ask again.
  addEventListener("pageshow", () => { for (const form of forms()) form.elements.passkey.value = ""; });
  document.addEventListener("htmx:after:swap", prepare);
  prepare();
})();
