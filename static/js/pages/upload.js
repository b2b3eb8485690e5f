// Takes over <form data-upload>: progress that moves, cancel, a preview, and errors with the file still chosen.
// Without script the same form is sent by the browser.
(() => {
  const MEGABYTE = 1000000;
  const previews = new WeakMap();
  const running = new WeakMap();
  const part = (form, name) => form.querySelector(`[data-upload-${name}]`);

  const size = (bytes) => bytes >= MEGABYTE ? `${(bytes / MEGABYTE).toFixed(1)} MB` : `${Math.ceil(bytes / 1000)} kB`;
  const tooLarge = (input) => {
    const limit = Number(input.dataset.maxMb || 0) * MEGABYTE;
    const file = input.files[0];
    // DICOM files have a limit of their own, which the server knows.
    const picture = file && /^image\/(jpeg|png)$/.test(file.type);
    return limit && picture && file.size > limit
      ? `The file has ${size(file.size)}; at most ${input.dataset.maxMb} MB can be sent.` : "";
  };

  const showError = (input, sentence) => {
    const field = input.closest(".field");
    const id = `${input.id}-error`;
    document.getElementById(id)?.remove();
    field.classList.toggle("field--invalid", Boolean(sentence));
    const hint = document.getElementById(`${input.id}-hint`);
    const described = [hint?.id, sentence && id].filter(Boolean).join(" ");
    if (described) input.setAttribute("aria-describedby", described);
    else input.removeAttribute("aria-describedby");
    if (!sentence) { input.removeAttribute("aria-invalid"); return; }
    const error = document.createElement("p");
    error.className = "field__error";
    error.id = id;
    error.textContent = sentence;
    input.before(error);
    input.setAttribute("aria-invalid", "true");
  };

  const preview = (form, input) => {
    const figure = part(form, "preview");
    if (!figure) return;
    URL.revokeObjectURL(previews.get(form));
    previews.delete(form);
    const file = input.files[0];
    const image = figure.querySelector("img");
    figure.hidden = !file;
    if (!file) return;
    figure.querySelector("figcaption").textContent = `${file.name}, ${size(file.size)}`;
    image.hidden = !/^image\/(jpeg|png)$/.test(file.type);
    if (image.hidden) { image.removeAttribute("src"); return; }
    const url = URL.createObjectURL(file);
    previews.set(form, url);
    image.onerror = () => { image.hidden = true; };
    image.src = url;
  };

  document.addEventListener("change", (event) => {
    const input = event.target;
    const form = input.closest?.("form[data-upload]");
    if (!form || input.type !== "file") return;
    showError(input, tooLarge(input));
    preview(form, input);
  });

  const busy = (form, on) => {
    const box = part(form, "progress");
    if (box) box.hidden = !on;
    form.toggleAttribute("aria-busy", on);
    for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = on;
  };
  const report = (form, percent, words) => {
    const bar = form.querySelector("[data-upload-progress] progress");
    if (bar && percent === null) bar.removeAttribute("value");
    else if (bar) bar.value = percent;
    const status = part(form, "status");
    if (status && status.textContent !== words) status.textContent = words;
  };

  // The answer's form takes the place of this one, but the file input with its chosen file stays.
  const replace = (form, html) => {
    const answer = new DOMParser().parseFromString(html, "text/html");
    const fresh = answer.getElementById(form.id) || answer.querySelector("form[data-upload]");
    const theirs = fresh?.querySelector("input[type=file]");
    const mine = form.querySelector("input[type=file]");
    if (!theirs || !mine) return false;
    for (const name of ["aria-describedby", "aria-invalid"]) {
      if (theirs.hasAttribute(name)) mine.setAttribute(name, theirs.getAttribute(name));
      else mine.removeAttribute(name);
    }
    const adopted = document.importNode(fresh, true);
    adopted.querySelector("input[type=file]").replaceWith(mine);
    const outside = form.parentElement.querySelector(":scope > [data-error-summary]");
    outside?.remove();
    form.replaceWith(adopted);
    const summary = answer.querySelector("[data-error-summary]");
    if (summary && !adopted.contains(adopted.querySelector("[data-error-summary]"))) {
      adopted.prepend(document.importNode(summary, true));
    }
    window.htmx?.process(adopted);
    preview(adopted, mine);
    adopted.dispatchEvent(new CustomEvent("csss:form-replaced", { bubbles: true }));
    return true;
  };

  const answered = (form, xhr) => {
    const there = xhr.getResponseHeader("HX-Redirect");
    if (there) { location.assign(there); return; }
    busy(form, false);
    if (xhr.status < 300) { location.assign(xhr.responseURL); return; }
    if (xhr.status === 422 && replace(form, xhr.responseText)) return;
    const { say, ownSentence, sentences, server } = window.csss;
    say(ownSentence(xhr.responseText) || sentences[xhr.status] || server);
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-upload]") || event.defaultPrevented) return;
    const input = form.querySelector("input[type=file]");
    event.preventDefault();
    if (running.has(form)) return;
    const complaint = tooLarge(input);
    if (complaint) { showError(input, complaint); input.focus(); return; }

    const xhr = new XMLHttpRequest();
    running.set(form, xhr);
    let percent = 0;
    xhr.open("POST", form.getAttribute("action") || location.href);
    xhr.setRequestHeader("HX-Request", "true");
    xhr.upload.addEventListener("progress", (step) => {
      if (!step.lengthComputable) return;
      percent = Math.floor((step.loaded / step.total) * 100);
      // Said in steps of ten, so that a screen reader is not kept talking.
      if (percent < 100) report(form, percent, `Sending: ${Math.floor(percent / 10) * 10} %`);
    });
    xhr.upload.addEventListener("load", () => report(form, null, "Sent. Checking the file."));
    xhr.addEventListener("load", () => answered(form, xhr));
    xhr.addEventListener("error", () => {
      busy(form, false);
      window.csss.say(`The connection broke at ${percent} %. The file is still chosen: send it again.`);
    });
    xhr.addEventListener("abort", () => {
      busy(form, false);
      window.csss.say("The upload was cancelled. Nothing has been kept.");
    });
    xhr.addEventListener("loadend", () => running.delete(form));
    document.getElementById("page-message")?.replaceChildren();
    const data = new FormData(form);
    const { submitter } = event;
    if (submitter?.name) data.append(submitter.name, submitter.value);
    busy(form, true);
    report(form, 0, "Sending: 0 %");
    xhr.send(data);
  });

  document.addEventListener("click", (event) => {
    const form = event.target.closest?.("[data-upload-cancel]")?.closest("form");
    running.get(form)?.abort();
  });
})();
