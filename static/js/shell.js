// The service worker (js/worker/sw.js) brings the offline page. Where it cannot be had, everything else works as before.
if (navigator.serviceWorker && document.querySelector(".brand")) {
  const start = () => navigator.serviceWorker.register(new URL("sw.js", document.querySelector(".brand").href)).catch(() => {});
  // After the first page is usable: on a slow line nothing shall stand in its way.
  addEventListener("load", () => setTimeout(start, 1500));
}
