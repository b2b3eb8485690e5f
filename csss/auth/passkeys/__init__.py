"""Passkeys (WebAuthn level 2): a key pair on the person's own device, which signs our challenge and nothing else.

One ceremony is two requests. The first stores a challenge in its own row and answers with the options for the
browser. The second brings the device's answer and uses up the row, whatever the result. The row is bound to the
session that asked, to its purpose and to its subject (these reports), and lives for five minutes; the cookie holds
no challenge. User verification (fingerprint, face or PIN) is always required, so a passkey is two factors in one.

`models` holds the tables, `ceremony` implements WebAuthn and knows no database, `services` has the rules.
"""
