"""How hypothesis is run in here."""

from hypothesis import settings

# A machine that is busy with other tests is slow, and that is no fault of the code under test.
settings.register_profile("contracts", deadline=None)
settings.load_profile("contracts")
