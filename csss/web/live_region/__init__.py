"""Live regions: parts of a page, such as the worklist, that show changes automatically.

A region is an element with `data-live` (templates/components/live.html says how to write one); its own address answers
htmx with its fragment. The way from a commit to the changed row:

1. `csss.live.publish` names in Redis what a transaction has changed, after its commit.
2. `csss.live.hub` of each web process hears it and tells the open streams (`stream`: `GET /events`), one after the other.
3. static/js/live.js asks for each region concerned (`refresh`), with the version that the region shows and with the
   versions of its rows. Many pages ask within a second, so they are answered in turn (`turns`).
4. The view looks up what is shown, once for all who ask for the same (`shared_look_up`), and takes the rows as they were
   rendered for the first who asked (`rows`).
5. The answer is nothing (204), or the fragment; a row that the page has already is sent as its number (`rows`).
6. live.js puts the rows back into their places, and the page is morphed.

Each layer stays because a benchmark without it was worse. Most figures are of a 2-core machine with other work on it (load
11 to 18), so compare each pair and not with the budgets. "In process": `python -m benchmarks live_layers`, the quickest of
four rounds; "streams": `benchmarks/streams.py` with a hundred open lists, one run each. On the idle machine a refresh takes
1.7 ms of CPU time and 2.05 kB; without the shared look-up 3.4 ms, without rows rendered once 1.8 ms and 2.16 kB, with
every row sent again 1.8 ms and 2.69 kB. Rows rendered once matter for whole pages: with 30 rows each, the worklist takes
4.0 ms of CPU time (without: 7.9), the pharmacist's queue 3.6 (7.4), the approvals 4.2 (8.3), the accounts 3.8 (8.8).

layer           serves the budget                            measured with it           without it
turns           pages with 100 streams, p95 <= 50 ms         streams: p50 460 ms,       p50 1336 ms,
                                                             p95 1422 ms                p95 2414 ms
shared_look_up  a change seen by others, p95 <= 1 s          in process: 7.3 ms of      11.7 ms;
                                                             processor time a refresh;  streams: p95 3.2 s
                                                             streams: p95 2.1 s
rows, rendered  a page at 10,000 scans, p50 <= 15 ms         processor time:
  once                                                       worklist 27 ms,            48 ms,
                                                             pharmacist's queue 23 ms,  33 ms,
                                                             approvals 19 ms,           25 ms,
                                                             accounts 21 ms             36 ms
rows, not sent  a row <= 2 kB                                in process: 1.2 kB         2.6 kB
  again
refresh (204)   an idle hour <= 20 kB                        no body                    the whole fragment
stream          the number of the last change in a page: the stream of a page that has missed nothing causes no refresh;
(live_version)  and `shared_look_up` needs it to be right

Taken out, because no budget was worse without them (processor time with and without): the whole region rendered once
(6.3 and 6.8 ms), an answer to an unchanged region before it is rendered (7.2 and 6.2 ms), constant parts of the reading
page rendered once (46.2 and 47.0 ms), the names of medicines rendered once (39.5 and 39.5 ms).
"""
