"""What is said of maps in databases, whichever command looks at one. Placeholders have names."""

from __future__ import annotations

NO_DATABASE_TYPE = "{given} is no map in a database. Give the type and the file, the type being one of {kinds}."
NO_PATH = "{given} names no file by its path from /. Give it as type:/path."
TYPE_UNKNOWN = (
    "Whether {path} is a map of type mysql, pgsql or sqlite cannot be told: Postfix's settings do not name it, and its "
    "name does not say. Give the type with it, such as mysql:{path}"
)
