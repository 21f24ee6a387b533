"""One target under atheris, for `python -m tests.fuzz`: `… tests.fuzz.guided TARGET` and what libFuzzer takes."""

import sys

import atheris

# They are compiled as they are imported, so before the target is. What is written in C is not seen.
with atheris.instrument_imports(include=["schemas", "cli", "email_validator", "idna", "json"]):
    import email_validator  # noqa: F401 - it is imported late, by then without being seen

    from .targets import TARGETS

from .mutating import changed


def main() -> None:
    target = TARGETS[sys.argv[1]]

    def one_input(data: bytes) -> None:
        target(data)

    def mutated(data: bytes, limit: int, seed: int) -> bytes:
        # Half the time, and where there is a document: the rest is for what no document looks like.
        found = changed(data, seed) if seed % 2 else None
        return found if found is not None and len(found) <= limit else bytes(atheris.Mutate(data, limit))

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
