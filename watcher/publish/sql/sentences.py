"""Every sentence about a map in a database: to administrators and to the journal."""

# What stands in the way of a connection.
NO_LIBRARY = (
    "The library {library}, which leads to the database of {path}, is not installed. Install it: "
    "`apt install {package}`; it is tried again by itself."
)
NO_HOSTS = "The map file {path} names no host. Give `hosts`."
NOT_THERE = (
    "The database {host} of {path} cannot be reached: {error}. See that its server runs and listens there; it is tried "
    "again by itself."
)
NO_WRITABLE = (
    "None of the database hosts of {path} can be written to: {error}. Name the one that can in `hosts`, or wait until "
    "one is; it is tried again by itself."
)
NOT_LET_IN = (
    "The database {host} does not let {user} in: {error}. Mend `user` and `password` in {path}, or the account; the "
    "file is watched, so it is tried again at once."
)
NOT_THE_PEER = (
    "The database {host} does not let {user} in: {error}. By its socket it lets in only the account of the same name. "
    "Give `hosts = 127.0.0.1` in {path}, or let {user} in by its password in pg_hba.conf; it is tried again by itself."
)
NOT_ENCRYPTED = (
    "The connection to the database {host} of {path} cannot be encrypted as that file asks: {error}. See what "
    "certificate the server has and whose signature is on it, then mend `sslmode` and `sslrootcert` of PostgreSQL's "
    "connection string, or the lines `tls_...` of MariaDB; it is tried again by itself."
)
NO_DATABASE = "The server {host} has no database {database}: {error}. Mend `dbname` in {path}, or make it."
NO_FILE = "The database file {database} of {path} cannot be opened: {error}. Make it, or mend `dbpath`."
LOST = "The connection to the database {host} of {path} was lost: {error}. It is tried again by itself."
TIMED_OUT = (
    "The database {host} of {path} did not answer within {seconds:.3g} seconds. Look whether it hangs, or whether "
    "somebody's transaction holds a lock on the table {table}; it is tried again by itself."
)

# What the database says to a statement.
NO_TABLE = (
    "The table {table} is not in the database {database} of {path}: {error}. Mend `table` in the configuration, or "
    "make it: {making}"
)
NO_COLUMN = (
    "The table {table} in the database {database} of {path} lacks a column: {error}. Mend `address_column`, "
    "`goto_column`, `managed_column` and `constants` in the configuration; without `managed_column`, a table of ours "
    "lists the rows."
)
NO_PRIVILEGE = (
    "The database {host} does not permit {user} to keep the table {table}: {error}. Have an administrator of the "
    "database run: {statement}"
)
READ_ONLY = (
    "The database {host} of {path} is read-only at the moment: {error}. Name the host that can be written to in "
    "`write_map_file`, or wait until this one can; it is tried again by itself."
)
NO_DEFAULT = (
    "The table {table} wants a value for a column that has no default: {error}. Give it one in `constants` of the "
    "configuration."
)
BAD_VALUE = (
    "The table {table} does not take a value: {error}. Make the column wide enough, or mend `constants` and "
    "`managed_value` in the configuration.{longest}"
)
LONGEST = " The longest destination that waits is {destination}; revoke {alias} if it is that which has no room."
NOT_UNIQUE = (
    "The table {table} does not take a row, since another one holds what has to be unique in it: {error}. Look at its "
    "unique keys and at `constants` in the configuration."
)
REFERENCE = (
    "The table {table} does not take a change, since its rows refer to another table, or that to them: {error}. Mend "
    "`constants` in the configuration, or make the row that is referred to; where a row of ours is to go, remove what "
    "refers to it."
)
BUSY = "Other transactions on the table {table} at {host} came in the way: {error}. It is tried again by itself."
REFUSED = "The database {host} of {path} refused to keep the table {table} in line: {error}. Mend what it complains of."
UNFORESEEN = (
    "The database {host} of {path} said what its library does not understand: {error}. See that nothing but a database "
    "listens there, and what its own log says; it is tried again by itself."
)
RESTLESS = (
    "The rows of the table {table} were changed by somebody else while they were being brought into line. It is tried "
    "again by itself."
)
NO_LIST = (
    "The table {table} has no column that marks the rows of ours, so a table of ours has to list them, and {user} may "
    "not make or use it: {error}. Have an administrator of the database {database} run: {ownership} {statement} Or "
    "name a column in `managed_column`."
)

# Problems that leave the published rows in place.
CONFLICT = (
    "An alias is not published, since a row of somebody else in {table} holds its address: {named}. Remove that row, "
    "or revoke the alias, then run `runv-admin-email-alias sync`."
)
CONFLICTS = (
    "{count} aliases are not published, since rows of somebody else in {table} hold their addresses: {named}. Remove "
    "those rows, or revoke the aliases, then run `runv-admin-email-alias sync`."
)
CONFLICT_ONE = "{alias} should go to {destination} and goes to {held}"
CONFLICT_SAME = "{alias} goes to {destination}, but by a row that would stay when the alias is revoked"
AND_MORE = "{named}; and {count} more"
NOWHERE = "nowhere"
NOT_PUBLISHED = "nothing of ours"
WRONG_ANSWER = (
    "The table is in line, but the map {map} answers {found} for {alias}, where {expected} was expected{more}. See "
    "whether `query` in {path} wants something that `constants` of the configuration does not give, whether `domain` "
    "leaves the address out, and whether all of its hosts have the same rows."
)
WRONG_MORE = " (and likewise for {count} more)"
NO_ANSWER = "nothing"
NOT_ASKED = "The rows are in the table, but whether the map {map} finds them could not be found out. {error}"
BEHIND = (
    "The database host {host}, which Postfix asks by {path}, still answers as before a change of {seconds:.0f} seconds "
    "ago. See whether its replication runs; it is asked again by itself."
)
UNREACHABLE = (
    "The database host {host}, which Postfix asks by {path}, cannot be asked, so whether it has the latest change is "
    "not known. {error}"
)

# The journal.
LOG_DRIFT = "Rows of ours in {table} were changed by somebody else ({count}); they are put right."
LOG_ELSEWHERE = (
    "The table {table} holds rows under our mark at other domains than {domain} ({count}), such as {named}. They are "
    "left alone; remove them if nobody keeps them in line."
)
LOG_LIST_MADE = "Made the table {ownership}, which lists the rows of ours in {table}."
