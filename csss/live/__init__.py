"""Live changes: open pages are told what has changed, and then fetch the region they show.

The path of a change: a service writes rows inside `transaction()`. `publish` notes which scans they belong to and,
after the commit, publishes their names in Redis. The `hub` of each web process receives them and writes the names
to the open streams (`GET /events`). `static/js/live.js` fetches the regions concerned, with the permissions of any
request. A stream carries only names: `queue` (a list of this role has changed), the id of a scan, `accounts`,
`mail`. No clinical data.

To make a part of a page live, give it an id and, in its template,

     {%- from "components/live.html" import live -%}
     <div id="queue" {{ live("queue", here) }}>…</div>

where `here` is the address that answers `HX-Request` with exactly this fragment. Separate several names by spaces:
`live(scan.id, …)` follows one scan. The view answers with `fragments.page_or_fragment`, which turns a refresh
without a change into an empty 204. Refreshes carry `X-CSSS-Refresh` and never extend a session. For how a region is
answered, see `csss.web.live_region`.
"""
