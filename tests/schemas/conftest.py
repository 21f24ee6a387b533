"""How hypothesis is run in here."""

from hypothesis import settings

# A machine that is busy with other tests is slow, and that is no fault of the code under test. Nothing is written to
# the checkout, which may be another's.
settings.register_profile("contracts", deadline=None, database=None)
settings.load_profile("contracts")
