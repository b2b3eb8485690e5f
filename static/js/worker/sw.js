// The service worker: an offline page instead of the browser's own, and nothing else. It stores the page frame's static files and
// that one page, never a page with data, never a scan, never an answer to a request with a session.
// csss/web/shell.py puts VERSION, OFFLINE and SHELL in front; other content gives another VERSION.
const CACHE = `csss-shell-${VERSION}`;

self.addEventListener("install", (event) => {
  // Without cookies, so that not even a name can get into the cache.
  const requests = SHELL.map((url) => new Request(url, { credentials: "omit" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});

const takeOver = async () => {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  await self.registration.navigationPreload?.enable();
  await self.clients.claim();
};
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

const page = async (event) => {
  try {
    return (await event.preloadResponse) || (await fetch(event.request));
  } catch {
    return caches.match(OFFLINE, { ignoreVary: true });
  }
};
const shell = async (request) => (await caches.match(request, { ignoreVary: true })) || fetch(request);

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const { pathname, search } = new URL(request.url);
  if (request.mode === "navigate") event.respondWith(page(event));
  else if (pathname !== OFFLINE && SHELL.includes(pathname + search)) event.respondWith(shell(request));
});
