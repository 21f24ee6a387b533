# ruff: noqa: RUF001 - letters that look like others are what this is about
"""Addresses that somebody might try: plain ones, odd ones, and plain ones with trouble put in."""

from hypothesis import strategies as st

_ATEXT = "abcxyzABC0189#$&'*+-/=?^_`{|}~"

_DOMAINS = st.one_of(
    st.sampled_from(["example.org", "Mail.EXAMPLE.net", "a.b.c.example.com", "xn--bcher-kva.example.org"]),
    st.sampled_from(["bücher.example.org", "ｅｘａｍｐｌｅ。ｏｒｇ", "例え.example.org", "runv.club.example.org"]),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\.(org|com|example)", fullmatch=True),
)

_ODD = (
    *(
        "${recipient}",
        "$1",
        "$(id)",
        "`id`",
        "a=b",
        "a+b",
        "+a",
        "a+",
        "#a",
        "~root",
        "~/x",
        "*",
        "?",
        "'a'",
        "a/b",
        "a|b",
    ),
    *(
        "a--b",
        "=a",
        "{a}",
        "&",
        "a&b",
        "^a$",
        "$virtual_alias_maps",
        "root",
        "postmaster",
        "MAILER-DAEMON",
        "owner-list",
    ),
    *("list-request", "double-bounce", "a" * 64, "a.b.c.d", "hash", "pcre", "0", "''", "a'b", "a{b", "a}b"),
)
"""Local parts that RFC 5322 allows, and that some program or other has read as something else."""

_LOCALS = st.one_of(
    st.sampled_from(_ODD),
    st.text(_ATEXT, min_size=1, max_size=20),
    st.lists(st.text(_ATEXT, min_size=1, max_size=8), min_size=1, max_size=4).map(".".join),
    st.text(_ATEXT, min_size=55, max_size=66),
)

_PLAIN = st.builds("{}@{}".format, _LOCALS, _DOMAINS)

_TROUBLE = (
    *(
        ",",
        ";",
        ":",
        "<",
        ">",
        "(c)",
        "(",
        ")",
        "[",
        "]",
        '"',
        "\\",
        "\\,",
        '\\"',
        "@",
        "%",
        "!",
        "|",
        "/",
        "-",
        "#",
        ".",
    ),
    *(",eve@example.net", ", eve@example.net", ";eve@example.net", " eve@example.net", "\neve@example.net"),
    *(
        "\n eve@example.net",
        "\r\n\teve@example.net",
        "\\\neve@example.net",
        "\x00",
        "\t",
        "\x0b",
        "\x0c",
        "\x1b[2J",
        "\x7f",
    ),
    *("\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\ufeff", "\u200b", "\u2060", "\xad"),
    *("\u202e", "\u2066", "\u200f", "\U000e0001", "\ud800", "\udcff"),
    # They look like a comma, a semicolon, an '@', a '!', a '%', a quotation mark, a dot; some normalise to one.
    *(
        "\uff0c",
        "\ufe50",
        "\ufe10",
        "\u201a",
        "\u060c",
        "\u3001",
        "\uff1b",
        "\u037e",
        "\uff20",
        "\ufe6b",
        "\uff01",
        "\uff05",
    ),
    *(
        "\ufe6a",
        "\u2105",
        "\uff02",
        "\u2024",
        "\u2025",
        "\uff0e",
        "\u3002",
        "\uff61",
        "\ufe52",
        "\uff1a",
        "\uff5c",
        "\uff0f",
    ),
    *("é", "ß", "ı", "K", "ﬃ", "x\u0301", "二"),
)

_WHOLE = (
    *("@a.org,@b.org:me@example.org", "@a.org:me@example.org", "|/bin/sh@example.org", '"|/bin/sh"@example.org'),
    *("/etc/passwd", "/var/mail/x@example.org", ":include:/etc/passwd", ":include:/x@example.org", "-f@example.org"),
    *(
        "me%example.net@example.org",
        "example.net!me@example.org",
        "example.net!me%example.org",
        "me@example.org@runv.club",
    ),
    *("me@[127.0.0.1]", "me@[IPv6:::1]", "me@127.0.0.1", "me@2130706433", "me@0x7f.0.0.1", "me@localhost", "root", "@"),
    *(
        "me@example.org.",
        "me@.example.org",
        "me@example..org",
        "Me <me@example.org>",
        "me@example.org (you)",
        "a@b@c.org",
    ),
    *("root@localhost.localdomain", "pablo@runv.club", "pablo@RUNV.CLUB", "pablo@ｒｕｎｖ.club", "pablo@sub.runv.club"),
    *(
        '"me, eve"@example.org',
        '"a b"@example.org',
        "me\\@example.org",
        "me@exa\\mple.org",
        "$me@$mydomain",
        "me@${mydomain}",
    ),
    *(
        "group: me@example.org, eve@example.org;",
        "me@example.org\t#",
        "#me@example.org",
        "me@example.org #",
        "\\",
        "@@@",
    ),
    "x" * 64 + "@" + ".".join(["b" * 61] * 3) + ".org",
    "x" * 5000 + "@example.org",
    "me@" + "a." * 2000 + "org",
)


@st.composite
def _troubled(draw: st.DrawFn) -> str:
    address = draw(_PLAIN)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.integers(0, len(address)))
        address = address[:path] + draw(st.sampled_from(_TROUBLE)) + address[path:]
    return address


ADDRESSES = st.one_of(
    _PLAIN, _troubled(), st.sampled_from(_WHOLE), st.builds("{}@example.org".format, st.text(max_size=9))
)
