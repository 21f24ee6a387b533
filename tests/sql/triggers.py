"""Triggers of a table: one that writes down every row that is written, and one that forbids a row."""

from ..support.databases import Database
from ..support.servers import Kind
from .tables import Table

_EVENTS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}


def write_down(database: Database, table: Table) -> None:
    """From now on `written` tells of each row of *table* that is written, even in a transaction of several."""
    database.execute("CREATE TABLE written (what varchar(6), address varchar(255))")
    for event, row in _EVENTS.items():
        note = f"INSERT INTO written VALUES ('{event}', {row}.{table.address})"
        database.execute(*_trigger(database.kind, f"note_{event.lower()}", table, event, note))


def written(database: Database) -> list[tuple[str, str]]:
    """What was written since this was last asked, in the order of the addresses."""
    found = [(str(what), str(address)) for what, address in database.rows("SELECT * FROM written ORDER BY address")]
    database.execute("DELETE FROM written")
    return found


def forbid(database: Database, table: Table, address: str) -> None:
    """Let every transaction fail that adds a row for *address*."""
    refusal = {
        "mysql": "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'",
        "pgsql": "RAISE EXCEPTION 'not this one'",
        "sqlite": "SELECT RAISE(ABORT, 'not this one')",
    }[database.kind]
    condition = f"NEW.{table.address} = '{address}'"
    if database.kind == "sqlite":
        refusal += f" WHERE {condition}"
    else:
        refusal = f"IF {condition} THEN {refusal}; END IF"
    database.execute(*_trigger(database.kind, "forbid", table, "INSERT", refusal))


def permit(database: Database, table: Table) -> None:
    """Take back what `forbid` did."""
    of = f" ON {table.name}" if database.kind == "pgsql" else ""
    database.execute(f"DROP TRIGGER forbid{of}")


def _trigger(kind: Kind, name: str, table: Table, event: str, body: str) -> list[str]:
    head = f"CREATE TRIGGER {name} AFTER {event} ON {table.name} FOR EACH ROW"
    if kind == "pgsql":
        function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NULL; END$$"
        return [function, f"{head} EXECUTE FUNCTION {name}()"]
    return [f"{head} BEGIN {body}; END"]
