"""The one table of what nobody means: texts, file names, hosts and headers that are tried at every place that takes one.

Texts are tried in every form and filter (tests/rules/test_nonsense.py), in requests drawn at random (test_fuzz.py), and at
every place where they come out again (tests/integration/test_inert.py). Odd files stand in tests/corpus.py.
"""

# Breaks out of an attribute, a comment, a script, a style, a title and a text area, in one line.
MARKUP = (
    "\"'></title></textarea></script></style>--><img data-evil src=x onerror=alert(1)>"
    "<script data-evil>alert(2)</script><a data-evil href='javascript:alert(3)'>{{1234*5678}}{%raw%}"
)
NUMBERS = ("-1", "1e400", "99999999999999999999999999", "٣")
DATES = ("0001-01-01", "9999-12-31", "9999-12-31T23:59:60+99:99")
LONG = ("é" * 3000, "ﷺ" * 600, "İıſ\u0301" * 50, "x" * 70_000)
# What SQL, a template, a shell, a path, a link or a program that reads JSON might make something of.
COMMANDS = (
    MARKUP,
    "' OR 1=1 --\\%_",
    "-1%\\_'\"><b>١",
    "<script>alert(1)</script>{{7*7}}{% raw %}${7*7}%(name)s %s {0}",
    "%s%n%(name)s{0}{name}$",
    "../../../../etc/passwd\\..",
    "//evil.example/\\",
    "javascript:alert(1)",
    "00000000-0000-0000-0000-000000000000",
    "true",
    "None",
    "[]",
)
# What a spreadsheet takes for a formula, whatever stands before the sign.
FORMULAS = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","A")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " \u00a0=1",
    "\ufeff=1",
    "\u200b=1",
    "＝1",
)
# What might end a line of a header, of a mail, of a table or of a log.
LINES = (
    "A\r\nBcc: evil@evil.example\r\n\r\n<script>",
    "\r\nSet-Cookie: a=b\r\n\r\n<script>",
    "A\nSubject: other",
    "A\u2028Bcc: evil@evil.example",
    "A\x0bB\x0cC\x1dD\x85E",
    "',\"\",;\r\n'",
    "=?utf-8?q?=0d=0aBcc:_evil@evil.example?=",
)
LETTERS = (
    "",
    "\0",
    "a\0b\x01\x1b[31m\x7f",
    "\u202egnp.exe",
    "\u202eevil\u2066\ufeff\ud7ff\ue000\U0010ffff\ufffe",
    "காவ்யா 한글 🫀 e\u0301",
)
TEXTS = (*NUMBERS, *DATES, *LONG, *COMMANDS, *FORMULAS, *LINES, *LETTERS)

# Names that a browser, or somebody without one, may send along with a file. None of them is ever used.
FILE_NAMES = (
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/shadow",
    "C:\\scan.png",
    "scan\0.png",
    "scan\r\nX-Evil: 1.png",
    "scan\u202egnp.exe",
    "a" * 300 + ".png",
    "<img src=x onerror=alert(1)>.png",
    '"; filename="other.png',
    "CON",
    "NUL.png",
    ".htaccess",
    "-rf",
    "%2e%2e%2fscan.png",
    "{{7*7}}.png",
    "=cmd|' /C calc'!A0.png",
    "'; DROP TABLE scans; --.png",
    " ",
    "காட்சி.png",
)
HOSTS = ("*", "", ".", "a..b", "x" * 100, "[::1", "csss_web:8000", "evil.example:99999999")
# Instead of a one-time code.
CODES = (
    "",
    "  ",
    "12345",
    "1234567",
    "abc",
    "abcdef",
    "12345é",
    "１２３４５",
    "0" * 500,
    "\0" * 6,
)
# In the place of an id in an address.
PLACES = ("..", ".", "%2e%2e%2f", "%00", "%ff%fe", "%ED%A0%80", "a%0d%0ab", "x" * 2000, "é", "-", "%")
HEADERS = (
    *HOSTS,
    "true",
    "0",
    'W/"x", "',
    "bytes=0-0,-1,5-2,99999999999999999999-",
    "de-DE;q=1e9, *;q=-1, x-\xff",
    'for="[::1]:99999999";proto=javascript;host=evil.example',
    "a b\\c<>\"'",
    "'" * 4000,
    "Bearer ",
    "Basic Og==",
    "99999999999999999999",
    "sha-256=:AAAA:, sha-256=:" + "A" * 43 + "=:",
    "Thu, 99 Foo 99999 99:99:99 GMT",
)
HEADER_NAMES = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Forwarded",
    "Host",
    "HX-Boosted",
    "HX-Request",
    "HX-Target",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Origin",
    "Range",
    "Referer",
    "Repr-Digest",
    "Sec-Fetch-Site",
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "User-Agent",
    "X-CSSS-Have",
    "X-CSSS-Refresh",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
)
