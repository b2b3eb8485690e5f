"""Passkeys (WebAuthn level 2): a key pair on the person's own device, which signs a challenge of ours and nothing else.

One ceremony is two requests. The first keeps a challenge in a row of its own and answers with the options for the
browser; the second brings the device's answer and uses the row up, whatever comes of it. The row is bound to the session
that asked, to what it is for and to its subject (these reports), and lives for five minutes; the cookie holds no
challenge. User verification (fingerprint, face or PIN) is always required, so a passkey is two factors in one.

`models` holds the tables, `ceremony` speaks WebAuthn and knows no database, `services` has the rules.
"""
