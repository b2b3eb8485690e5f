// Takes over <form data-upload="…">: a preview, dropping, the phone's camera, a progress bar, cancel, and errors with
// the file still chosen. With an address the file is sent there in pieces and survives interruptions (the protocol:
// csss/scans/uploads/__init__.py); without one it is sent with the form. Nothing is kept in the browser: the server knows
// what has arrived, and finds it again by the file's digest. Without script the same form is sent by the browser.
(() => {
  const MEGABYTE = 1000000, LEAST = 65536, MOST = 4194304, SECONDS_A_PIECE = 5;
  const SILENCE = 30000, PAUSES = [1, 2, 4, 8, 15, 30], TRIES = 12;
  const previews = new WeakMap(), running = new WeakMap(), places = new WeakMap();
  const part = (form, name) => form.querySelector(`[data-upload-${name}]`);
  const fill = (form, name, values = {}) => Object.entries(values).reduce(
    (text, [key, value]) => text.replace(`{${key}}`, value), JSON.parse(part(form, "progress").dataset.words)[name]);

  const size = (bytes) => bytes >= MEGABYTE ? `${(bytes / MEGABYTE).toFixed(1)} MB` : `${Math.ceil(bytes / 1000)} kB`;
  // The accepted formats are in the page, and in one table of the server (csss/picture_formats.py).
  const isPicture = (input, file) => input.accept.split(",").includes(file.type);
  const tooLarge = (form, input) => {
    const limit = Number(input.dataset.maxMb || 0) * MEGABYTE;
    const file = input.files[0];
    return limit && file && isPicture(input, file) && file.size > limit
      ? fill(form, "large", { size: size(file.size), most: input.dataset.maxMb }) : "";
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
    image.hidden = !isPicture(input, file);
    if (image.hidden) { image.removeAttribute("src"); return; }
    const url = URL.createObjectURL(file);
    previews.set(form, url);
    image.onerror = () => { image.hidden = true; };
    image.src = url;
  };

  const chosen = (form, input) => {
    showError(input, tooLarge(form, input));
    preview(form, input);
  };
  document.addEventListener("change", ({ target }) => {
    const form = target.closest?.("form[data-upload]");
    if (form && target.type === "file") chosen(form, target);
  });
  const take = (form, files) => {
    const input = form.querySelector("input[type=file]");
    if (!files.length || running.has(form)) return;
    const one = new DataTransfer();
    one.items.add(files[0]);
    input.files = one.files;
    chosen(form, input);
    input.focus();
  };

  // Dropped anywhere on the form; a file that misses it must not replace the page.
  const carriesFile = (event) => [...event.dataTransfer?.types || []].includes("Files");
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!carriesFile(event)) return;
      const form = event.target.closest?.("form[data-upload]");
      if (name !== "dragleave") event.preventDefault();
      if (name === "dragover" && !form) event.dataTransfer.dropEffect = "none";
      for (const each of document.querySelectorAll("form[data-upload]")) {
        each.classList.toggle("upload--over", name === "dragover" && each === form);
      }
      if (name === "drop" && form) take(form, event.dataTransfer.files);
    });
  }
  // A phone offers its camera by a button of its own; the field beside it still offers the gallery.
  const equip = (form) => {
    const camera = part(form, "camera");
    if (camera) camera.hidden = !matchMedia("(pointer: coarse)").matches;
  };
  document.querySelectorAll("form[data-upload]").forEach(equip);
  document.addEventListener("click", ({ target }) => {
    const form = target.closest?.("[data-upload-camera]")?.closest("form");
    if (!form) return;
    const { accept } = form.querySelector("input[type=file]");
    const input = Object.assign(document.createElement("input"), { type: "file", accept });
    input.setAttribute("capture", "environment");
    input.addEventListener("change", () => take(form, input.files));
    input.click();
  });

  const busy = (form, on) => {
    part(form, "progress").hidden = !on;
    if (on) form.setAttribute("aria-busy", "true");
    else form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button[type=submit], [data-upload-camera]")) button.disabled = on;
    part(form, "cancel").disabled = false;
  };
  const report = (form, percent, words) => {
    const bar = part(form, "progress").querySelector("progress");
    if (percent === null) bar.removeAttribute("value");
    else bar.value = percent;
    const status = part(form, "status");
    if (status.textContent !== words) status.textContent = words;
  };
  const moved = (form, job) => {
    job.percent = Math.floor((job.sent / job.total) * 100);
    // Announced in steps of ten, so that a screen reader does not read all the time.
    if (job.percent < 100) report(form, job.percent, fill(form, "sending", { percent: Math.floor(job.percent / 10) * 10 }));
    else report(form, null, fill(form, "checking"));
  };

  // One request. Status 0: the connection is broken, or no data has moved for a while.
  const ask = (job, method, url, headers = {}, body = null, progress = null) => new Promise((resolve) => {
    const xhr = job.xhr = new XMLHttpRequest();
    let silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => xhr.abort(), SILENCE);
    };
    xhr.open(method, url);
    for (const [name, value] of Object.entries({ "HX-Request": "true", "X-CSRFToken": job.token, ...headers })) {
      xhr.setRequestHeader(name, value);
    }
    xhr.upload.addEventListener("progress", (step) => { alive(); progress?.(step.loaded, step.total); });
    xhr.addEventListener("progress", alive);
    xhr.addEventListener("loadend", () => { clearTimeout(silence); resolve(xhr); });
    alive();
    xhr.send(body);
  });
  const rest = (job, seconds) => new Promise((resolve) => {
    job.wake = resolve;
    setTimeout(resolve, seconds * 1000);
  });
  addEventListener("online", () => document.querySelectorAll("form[data-upload]").forEach((form) => running.get(form)?.wake?.()));

  // Ask until the server answers; null when there is still no connection, or the upload was cancelled.
  const persist = async (form, job, attempt) => {
    for (job.failures = 0; !job.cancelled; job.failures += 1) {
      const xhr = await attempt();
      if (job.cancelled || !xhr) return null;
      if (xhr.status && (xhr.status < 500 || xhr.status === 507) && xhr.status !== 429) return xhr;
      if (job.failures >= TRIES) { job.broken = true; return null; }
      report(form, job.percent, fill(form, "waiting", { percent: job.percent }));
      await rest(job, PAUSES[Math.min(job.failures, PAUSES.length - 1)]);
    }
    return null;
  };

  const digest = async (file) => {
    if (!crypto.subtle) return {}; // only over https; otherwise an upload can continue only while the page is open
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    return { "Repr-Digest": `sha-256=:${btoa(String.fromCharCode(...hash))}:` };
  };
  const offset = (xhr) => Number(xhr.getResponseHeader("Upload-Offset"));

  // The file in pieces, to its end. Returns its id; null when it did not get there (`refusal` holds the answer, if any).
  const pieces = async (form, job, file) => {
    const known = await digest(file);
    let piece = LEAST * 4, restarts = 0, url = places.get(file), at = null;
    while (!job.cancelled) {
      if (!url) {
        const begun = await persist(form, job, () =>
          ask(job, "POST", form.dataset.upload, { "Upload-Length": file.size, ...known }));
        if (!begun) return null;
        if (begun.status >= 300) { job.refusal = begun; return null; }
        url = begun.getResponseHeader("Location");
        places.set(file, url);
        at = offset(begun);
      } else if (at === null) {
        const state = await persist(form, job, () => ask(job, "HEAD", url));
        if (!state) return null;
        if (state.status === 404 && restarts < 2) { restarts += 1; url = null; places.delete(file); continue; }
        if (state.status >= 300) { job.refusal = state; return null; }
        at = offset(state);
      }
      job.url = url;
      job.sent = at;
      moved(form, job);
      if (at >= file.size) return url.split("/").pop();
      const began = Date.now(), from = at;
      const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": from };
      const answer = await ask(job, "PATCH", url, headers, file.slice(from, from + piece), (loaded) => {
        job.sent = Math.min(from + loaded, file.size - 1); // only the server can say that all has arrived
        moved(form, job);
      });
      if (answer.status === 204) {
        at = offset(answer);
        job.stops = 0;
        const seconds = Math.max((Date.now() - began) / 1000, .05);
        piece = Math.round(Math.min(MOST, Math.max(LEAST, ((at - from) / seconds) * SECONDS_A_PIECE)));
        continue;
      }
      if (job.cancelled) return null;
      if ([400, 401, 403, 413, 415, 507].includes(answer.status)) { job.refusal = answer; return null; }
      // The connection broke, or the server has another state: ask where to continue.
      at = null;
      if (answer.status === 409) continue;
      piece = Math.max(LEAST, Math.round(piece / 2));
      job.stops = (job.stops || 0) + 1;
      if (job.stops > TRIES) { job.broken = true; return null; }
      report(form, job.percent, fill(form, "waiting", { percent: job.percent }));
      await rest(job, PAUSES[Math.min(job.stops - 1, PAUSES.length - 1)]);
    }
    return null;
  };

  // The answer's form replaces this one, but the file input with its chosen file stays.
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
    form.replaceWith(adopted);
    window.htmx?.process(adopted);
    equip(adopted);
    preview(adopted, mine);
    adopted.dispatchEvent(new CustomEvent("csss:form-replaced", { bubbles: true }));
    return true;
  };

  const answered = (form, xhr) => {
    const there = xhr.getResponseHeader("HX-Redirect");
    const ended = xhr.status === 401;
    if (there && !(ended && window.csss.stays?.(there))) { location.assign(there); return; }
    busy(form, false);
    if (there) return; // the session has ended, and the page has shown that
    if (xhr.status && xhr.status < 300) { location.assign(xhr.responseURL); return; }
    if (xhr.status === 422 && replace(form, xhr.responseText)) return;
    const input = form.querySelector("input[type=file]");
    if ((xhr.status === 413 || xhr.status === 422) && /^text\/plain/.test(xhr.getResponseHeader("Content-Type"))) {
      showError(input, xhr.responseText);
      input.focus();
      return;
    }
    const { say, ownSentence, sentences, server } = window.csss;
    say(ownSentence(xhr.responseText) || sentences[xhr.status] || server);
  };

  const send = async (form, job, data, file) => {
    const url = form.dataset.upload;
    if (url && file) {
      const id = await pieces(form, job, file);
      if (!id) return job.refusal || null;
      data.delete("file");
      data.set("upload", id);
      part(form, "cancel").disabled = true; // from here on it becomes a scan
    }
    const attempt = () => ask(job, "POST", form.getAttribute("action") || location.href, {}, data, (loaded, total) => {
      if (url) return;
      job.sent = loaded;
      job.total = total;
      moved(form, job);
    });
    // With an upload's id the form can be sent again safely; with the file itself it is never sent without a click.
    return url ? persist(form, job, attempt) : attempt();
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-upload]") || event.defaultPrevented) return;
    const input = form.querySelector("input[type=file]");
    event.preventDefault();
    if (running.has(form)) return;
    const complaint = tooLarge(form, input);
    if (complaint) { showError(input, complaint); input.focus(); return; }
    const data = new FormData(form);
    const { submitter } = event;
    if (submitter?.name) data.append(submitter.name, submitter.value);
    const file = input.files[0];
    const job = { token: data.get("csrf_token"), percent: 0, sent: 0, total: file?.size || 1 };
    running.set(form, job);
    document.getElementById("page-message")?.replaceChildren();
    busy(form, true);
    moved(form, job);
    const xhr = await send(form, job, data, file);
    running.delete(form);
    if (job.cancelled) {
      if (job.url) { places.delete(file); await ask({ token: job.token }, "DELETE", job.url); }
      busy(form, false);
      window.csss.say(fill(form, "cancelled"));
    } else if (xhr?.status) answered(form, xhr);
    else {
      busy(form, false);
      window.csss.say(fill(form, job.url ? "kept" : "broken", { percent: job.percent }));
    }
  });

  document.addEventListener("click", ({ target }) => {
    const job = running.get(target.closest?.("[data-upload-cancel]")?.closest("form"));
    if (!job) return;
    job.cancelled = true;
    job.wake?.();
    job.xhr?.abort();
  });
})();
