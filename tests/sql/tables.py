"""The tables in which servers keep their aliases, made as the software that they belong to makes them.

PostfixAdmin's are those of its public/upgrade.php (versions 2 and 1854 of its schema for MySQL and PostgreSQL, and the
one for sqlite); ISPmail's are those of the guide at workaround.org, from Lenny to Bookworm, which has them for MariaDB
and is told here in the other two's words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..support.servers import Kind


@dataclass(frozen=True)
class Table:
    """One of them.

    Attributes:
        name, address, goto: the table and its columns.
        make: the statements that make it, with what it leans on.
        query: what Postfix asks it.
        block: the rest of the `sql` block, besides the file of the map.
        foreign: the statement by which the software it belongs to adds an alias `{address}` for `{goto}`.
    """

    name: str
    address: str
    goto: str
    make: Mapping[Kind, Sequence[str]]
    query: str
    foreign: str
    block: Mapping[str, Any] = field(default_factory=dict)


_OWN = """\
CREATE TABLE aliases (
    address varchar(255) NOT NULL PRIMARY KEY,
    goto varchar(255) NOT NULL,
    owner varchar(16),
    note varchar(64) DEFAULT 'as new'
)"""

MARKED = Table(
    name="aliases",
    address="address",
    goto="goto",
    make={"mysql": [_OWN], "pgsql": [_OWN], "sqlite": [_OWN]},
    query="SELECT goto FROM aliases WHERE address = '%s'",
    foreign="INSERT INTO aliases (address, goto, owner, note) VALUES ('{address}', '{goto}', 'sales', 'theirs')",
    block={"managed_column": "owner", "managed_value": "runv"},
)
"""A table that somebody has made for their own server, with a column that says whose a row is."""

UNMARKED = Table(
    name=MARKED.name,
    address=MARKED.address,
    goto=MARKED.goto,
    make=MARKED.make,
    query=MARKED.query,
    foreign=MARKED.foreign,
)
"""The same, but nothing is said of that column."""

_POSTFIXADMIN_MYSQL = [
    """\
CREATE TABLE `domain` (
    `domain` varchar(255) NOT NULL,
    `description` varchar(255) CHARACTER SET utf8mb4 NOT NULL,
    `aliases` int(10) NOT NULL DEFAULT '0',
    `mailboxes` int(10) NOT NULL DEFAULT '0',
    `maxquota` bigint(20) NOT NULL DEFAULT '0',
    `quota` bigint(20) NOT NULL DEFAULT '0',
    `transport` varchar(255) NOT NULL,
    `backupmx` tinyint(1) NOT NULL DEFAULT '0',
    `created` datetime NOT NULL DEFAULT '2000-01-01 00:00:00',
    `modified` datetime NOT NULL DEFAULT '2000-01-01 00:00:00',
    `active` tinyint(1) NOT NULL DEFAULT '1',
    PRIMARY KEY (`domain`)
) ENGINE=InnoDB DEFAULT CHARACTER SET latin1 COLLATE latin1_general_ci COMMENT='Postfix Admin - Virtual Domains'""",
    """\
CREATE TABLE `alias` (
    `address` varchar(255) NOT NULL,
    `goto` text NOT NULL,
    `domain` varchar(255) NOT NULL,
    `description` varchar(255) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
    `created` datetime NOT NULL DEFAULT '2000-01-01 00:00:00',
    `modified` datetime NOT NULL DEFAULT '2000-01-01 00:00:00',
    `active` tinyint(1) NOT NULL DEFAULT '1',
    PRIMARY KEY (`address`),
    KEY `domain` (`domain`)
) ENGINE=InnoDB DEFAULT CHARACTER SET latin1 COLLATE latin1_general_ci COMMENT='Postfix Admin - Virtual Aliases'""",
    "INSERT INTO domain (domain, description, transport) VALUES ('runv.club', 'The club', 'virtual')",
]

_POSTFIXADMIN_PGSQL = [
    """\
CREATE TABLE domain (
    domain character varying(255) NOT NULL,
    description character varying(255) NOT NULL DEFAULT '',
    aliases integer NOT NULL DEFAULT 0,
    mailboxes integer NOT NULL DEFAULT 0,
    maxquota bigint NOT NULL DEFAULT 0,
    quota bigint NOT NULL DEFAULT 0,
    transport character varying(255) DEFAULT NULL,
    backupmx boolean NOT NULL DEFAULT false,
    created timestamp with time zone DEFAULT now(),
    modified timestamp with time zone DEFAULT now(),
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT "domain_key" PRIMARY KEY ("domain")
)""",
    """\
CREATE TABLE alias (
    address character varying(255) NOT NULL,
    goto text NOT NULL,
    domain character varying(255) NOT NULL REFERENCES "domain",
    created timestamp with time zone DEFAULT now(),
    modified timestamp with time zone DEFAULT now(),
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT "alias_key" PRIMARY KEY ("address")
)""",
    "CREATE INDEX alias_address_active ON alias(address,active)",
    "ALTER TABLE alias ADD COLUMN description varchar(255) NOT NULL DEFAULT ''",
    "INSERT INTO domain (domain, description, transport) VALUES ('runv.club', 'The club', 'virtual')",
]

_POSTFIXADMIN_SQLITE = [
    """\
CREATE TABLE alias (
    `address` varchar(255) NOT NULL,
    `goto` text NOT NULL,
    `domain` varchar(255) NOT NULL,
    `created` datetime NOT NULL DEFAULT '2000-01-01',
    `modified` datetime NOT NULL DEFAULT '2000-01-01',
    `active` tinyint(1) NOT NULL DEFAULT '1',
    PRIMARY KEY (`address`)
)""",
    "ALTER TABLE alias ADD COLUMN description varchar(255) NOT NULL DEFAULT ''",
]

POSTFIXADMIN = Table(
    name="alias",
    address="address",
    goto="goto",
    make={"mysql": _POSTFIXADMIN_MYSQL, "pgsql": _POSTFIXADMIN_PGSQL, "sqlite": _POSTFIXADMIN_SQLITE},
    query="SELECT goto FROM alias WHERE address='%s' AND active = '1'",
    foreign="INSERT INTO alias (address, goto, domain, created) "
    "VALUES ('{address}', '{goto}', 'runv.club', '2024-02-29 12:00:00')",
    block={"constants": {"domain": "runv.club", "active": 1}},
)
"""PostfixAdmin's, as it is: a table of ours lists our rows."""

POSTFIXADMIN_MARKED = Table(
    name=POSTFIXADMIN.name,
    address=POSTFIXADMIN.address,
    goto=POSTFIXADMIN.goto,
    make=POSTFIXADMIN.make,
    query=POSTFIXADMIN.query,
    foreign=POSTFIXADMIN.foreign,
    block={**POSTFIXADMIN.block, "managed_column": "description", "managed_value": "member alias"},
)
"""PostfixAdmin's, with our rows known by their description."""

_ISPMAIL_MYSQL = [
    """\
CREATE TABLE `virtual_domains` (
    `id` int(11) NOT NULL auto_increment,
    `name` varchar(50) NOT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    """\
CREATE TABLE `virtual_aliases` (
    `id` int(11) NOT NULL auto_increment,
    `domain_id` int(11) NOT NULL,
    `source` varchar(100) NOT NULL,
    `destination` varchar(100) NOT NULL,
    PRIMARY KEY (`id`),
    FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
]

_ISPMAIL_PGSQL = [
    "CREATE TABLE virtual_domains (id serial PRIMARY KEY, name varchar(50) NOT NULL)",
    """\
CREATE TABLE virtual_aliases (
    id serial PRIMARY KEY,
    domain_id int NOT NULL REFERENCES virtual_domains(id) ON DELETE CASCADE,
    source varchar(100) NOT NULL,
    destination varchar(100) NOT NULL
)""",
]

_ISPMAIL_SQLITE = [
    "CREATE TABLE virtual_domains (id INTEGER PRIMARY KEY AUTOINCREMENT, name varchar(50) NOT NULL)",
    """\
CREATE TABLE virtual_aliases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain_id int NOT NULL REFERENCES virtual_domains(id) ON DELETE CASCADE,
    source varchar(100) NOT NULL,
    destination varchar(100) NOT NULL
)""",
]

_ISPMAIL_DOMAINS = ["INSERT INTO virtual_domains (id, name) VALUES (3, 'elsewhere.example'), (7, 'runv.club')"]

ISPMAIL = Table(
    name="virtual_aliases",
    address="source",
    goto="destination",
    make={
        "mysql": [*_ISPMAIL_MYSQL, *_ISPMAIL_DOMAINS],
        "pgsql": [*_ISPMAIL_PGSQL, *_ISPMAIL_DOMAINS],
        "sqlite": [*_ISPMAIL_SQLITE, *_ISPMAIL_DOMAINS],
    },
    query="SELECT destination FROM virtual_aliases WHERE source='%s'",
    foreign="INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (7, '{address}', '{goto}')",
    block={"constants": {"domain_id": 7}},
)
"""ISPmail's, as it is: one address may have several rows, since nothing forbids it."""

_MARK = "ALTER TABLE virtual_aliases ADD COLUMN managed_by varchar(16)"

ISPMAIL_MARKED = Table(
    name=ISPMAIL.name,
    address=ISPMAIL.address,
    goto=ISPMAIL.goto,
    make={kind: [*statements, _MARK] for kind, statements in ISPMAIL.make.items()},
    query=ISPMAIL.query,
    foreign=ISPMAIL.foreign,
    block={**ISPMAIL.block, "managed_column": "managed_by", "managed_value": "runv"},
)
"""ISPmail's, with a column added that says whose a row is."""
