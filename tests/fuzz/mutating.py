"""One step from one input to the next that knows what JSON is; bytes changed at random seldom leave a document."""

import json
import random
from typing import Any

_VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "active", "\x1b[2J", "\u202e", "a" * 300, "a@example.org", "a@example.org, b@example.org"),
    *(0, -1, 1 << 31, 1 << 63, 1 << 64, 10**30, 0.5, 1e300, [], {}, [[]], {"a": 1}, "\n", "pablo@runv.club"),
)


def changed(data: bytes, seed: int) -> bytes | None:
    """Give *data* with one value or key of it changed; `None` where it is no JSON object with something in it."""
    chance = random.Random(seed)  # noqa: S311
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not value:
        return None
    holder: dict[Any, Any] | list[Any] = value
    key = _some_key(holder, chance)
    while isinstance(holder[key], dict | list) and holder[key] and chance.random() < 0.7:
        holder = holder[key]
        key = _some_key(holder, chance)
    step = chance.randrange(4)
    if step == 0 and isinstance(holder, dict):
        holder[chance.choice([key[:-1], f"{key}s", "pablo", "\x1b"])] = holder.pop(key)
    elif step == 1:
        del holder[key]
    else:
        holder[key] = chance.choice(_VALUES)
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def _some_key(holder: dict[Any, Any] | list[Any], chance: random.Random) -> Any:
    return chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
