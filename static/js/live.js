// Regions that show changes automatically: [data-live="names"], see csss/web/live_region/__init__.py. The server names what has
// changed; each region concerned fetches its own fragment: rarely, not in a hidden window, without losing typed text.
(() => {
  // A region may ask TURNS times in a row and otherwise once in GAP: single changes show at once, many changes cost thirty
  // requests a minute. SPREAD: not all open pages ask at the same moment; the server also tells them one after the other.
  const GAP = 2000, TURNS = 4, SPREAD = 400, SLOW = 60000, PATIENCE = 10000, HIDDEN = 30000;
  const notice = document.getElementById("live-notice");
  const regions = () => [...document.querySelectorAll("[data-live]")];
  const spent = new Map(), due = new Map(); // spent: until when the turns of a region are used up
  let source, seen = notice?.dataset.liveNow, slow, doubt, leaving, stale = false;

  const refresh = (id) => {
    due.delete(id);
    spent.set(id, Math.max(spent.get(id) || 0, Date.now()) + GAP);
    const region = document.getElementById(id);
    if (region) window.htmx.trigger(region, "live");
  };
  // Names null: everything, because it is unknown what was missed.
  const changed = (names, now) => {
    if (document.hidden) { stale = true; return; }
    for (const { id, dataset } of regions()) {
      if (due.has(id) || (names && !dataset.live.split(" ").some((name) => names.includes(name)))) continue;
      const wait = now ? 0 : Math.max(0, (spent.get(id) || 0) - (TURNS - 1) * GAP - Date.now()) + (names ? 0 : Math.random() * SPREAD);
      due.set(id, setTimeout(refresh, wait, id));
    }
  };

  const say = (words) => { if (notice && notice.textContent !== words) notice.textContent = words; };
  const quick = () => {
    clearTimeout(doubt);
    clearInterval(slow);
    slow = doubt = undefined;
    say("");
  };
  const slowly = () => {
    clearTimeout(doubt);
    doubt = undefined;
    if (slow) return;
    say(notice?.dataset.words || "");
    slow = setInterval(() => { changed(null); open(); }, SLOW * (0.9 + Math.random() / 5));
  };
  const close = () => { source?.close(); source = undefined; };
  const open = () => {
    if (source || document.hidden || !regions().length) return;
    if (!window.EventSource) { slowly(); return; }
    const stream = source = new EventSource("/events");
    const on = (name, act) => stream.addEventListener(name, (event) => { if (stream === source) act(event); });
    doubt = doubt || setTimeout(slowly, PATIENCE); // a proxy may block streams
    on("ready", ({ data }) => {
      quick();
      if (seen !== data) changed(null);
      seen = data;
    });
    on("message", ({ data, lastEventId }) => {
      seen = lastEventId;
      changed(data.split(" "));
    });
    on("offline", slowly);
    on("elsewhere", () => { close(); slowly(); });
    // The session is over; the next answer leads to the sign-in page.
    on("end", () => { close(); changed(null, true); });
    stream.onerror = () => {
      if (stream !== source) return;
      if (stream.readyState === EventSource.CLOSED) {
        close();
        if (!slow) changed(null); // refused: where the session is over, this leads to the sign-in page at once
        slowly();
      }
      else doubt = doubt || setTimeout(slowly, PATIENCE);
    };
  };

  // A hidden window needs no stream: a browser has few connections, and all windows of a person share them.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) { leaving = setTimeout(close, HIDDEN); return; }
    if (stale) { stale = false; changed(null); }
    open();
  });

  const mine = ({ detail: { ctx } }) =>
    ctx?.sourceEvent?.type === "live" && ctx.sourceElement?.dataset?.live !== undefined ? ctx.sourceElement : null;
  document.addEventListener("htmx:config:request", (event) => {
    const region = mine(event);
    if (!region) return;
    const { headers } = event.detail.ctx.request;
    headers["X-CSSS-Refresh"] = region.dataset.version || "1";
    const rows = [...region.querySelectorAll("[data-v]")];
    if (rows.length) headers["X-CSSS-Have"] = rows.map((row) => row.dataset.v).join();
    Object.assign(event.detail.ctx, { rows, asked: region.getAttribute("hx-get") });
  });
  // A row that has not changed comes as its number among those we have: it stays as it is.
  document.addEventListener("htmx:after:request", (event) => {
    const region = mine(event), { ctx } = event.detail;
    if (!region || ctx.response.status !== 200) return;
    // The person has filtered or changed the page meanwhile.
    if (!region.isConnected || region.getAttribute("hx-get") !== ctx.asked) { event.preventDefault(); return; }
    ctx.version = ctx.response.headers.get("X-CSSS-Version");
    ctx.text = ctx.text.replace(/<tr data-same="(\d+)"><\/tr>/g, (_, number) => ctx.rows[number].outerHTML);
    // A part that somebody has unfolded stays unfolded, with the focus in it.
    const unfolded = [...region.querySelectorAll("details[open]")];
    if (!unfolded.length) return;
    const fresh = new DOMParser().parseFromString(ctx.text, "text/html");
    for (const each of unfolded) {
      const owner = each.closest("[id]"), same = fresh.getElementById(owner.id);
      const found = owner === each ? same : same?.querySelectorAll("details")[[...owner.querySelectorAll("details")].indexOf(each)];
      if (found) found.open = true;
    }
    ctx.text = [...fresh.body.children].map((each) => each.outerHTML).join("");
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    const region = ctx?.version && document.getElementById(ctx.sourceElement.id);
    if (region) region.dataset.version = ctx.version;
    open(); // the first region may just have been added
  });
  // Nobody requested it, so no message says that it failed; the next one will work. And it removes no message.
  for (const name of ["htmx:before:request", "htmx:response:error", "htmx:error"]) {
    document.addEventListener(name, (event) => { if (mine(event)) event.stopImmediatePropagation(); });
  }
  addEventListener("pagehide", () => {
    close();
    for (const form of document.querySelectorAll("form[data-on-leaving]")) {
      const words = new FormData(form);
      words.append("beacon", "1");
      navigator.sendBeacon(form.dataset.onLeaving, words);
    }
  });
  open();
})();
