// The service worker (js/worker/sw.js) brings the offline page. Without it, everything else works as before.
if (navigator.serviceWorker && document.querySelector(".brand")) {
  const start = () => navigator.serviceWorker.register(new URL("sw.js", document.querySelector(".brand").href)).catch(() => {});
  // After the first page is usable: on a slow connection nothing may delay it.
  addEventListener("load", () => setTimeout(start, 1500));
}
