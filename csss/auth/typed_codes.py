"""Read a code as it was typed or pasted, by any keyboard. `csss.auth.second_factor` makes codes and checks them."""

import unicodedata


def bare(typed: str) -> str:
    """The code alone, in ASCII and lower case: "１２３ ４５６" and "12\u200b3-456" are "123456".

    Full-width letters and the digits of any script count as the plain ones. Spaces, hyphens and characters that cannot
    be seen are left out.
    """
    plain = unicodedata.normalize("NFKC", typed)
    return "".join(_plain(each) for each in plain).lower()


def _plain(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.decimal(letter))
    return "" if kind[0] in "CMZ" or kind == "Pd" or letter == "\N{MINUS SIGN}" else letter
