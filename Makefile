# make demo    set up what it needs and play the whole journey, from a request to forwarded mail
# make test    set up what it needs and pass every test, with the newest libraries on this machine, and with what
#              Debian 13 has, within a Debian 13 that is not booted (as root; tests/system/unbooted.py)
# make test-system  the journey on the real platform: a Debian 13 that is booted in a container (as root)
# make tree    what both take, fetched once and kept (tests/system/tree.py)
# make quick   the tests of a minute: rules, records, commands and pages
# make lint    ruff and mypy
# make format  ruff's form of every file
# make bench   the figures of docs/performance.md, measured here
# make fuzz    what reads untrusted bytes, guided by coverage: FUZZ_SECONDS=60 for each of FUZZ_TARGETS (all)
# make torture the watcher killed at each system call of a pass, and at TORTURE_KILLS=300 random moments, or for
#              TORTURE_SECONDS; TORTURE_CALLS=changing|all|none, TORTURE_SEED
# make deb     the Debian package, into DIST=dist; DEB_VERSION gives it another version than debian/changelog
# make install without the package, as root: into /opt, /usr/local and /etc; PREFIX, DESTDIR, PYTHON (units/install)
# make uninstall remove that again, but neither the configuration nor the state
# make schemas write schemas/*.schema.json anew after a record has changed
# make messages write po/messages.pot anew after a sentence has changed
# make clean   remove what was set up here

# Debian's own interpreter first: one below /root, as version managers put it, cannot be executed by the members
# that the tests play.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV = .venv
NEWEST = .venv-newest
FUZZ = .venv-fuzz
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
DIST ?= dist
PREFIX ?= /usr/local
TORTURE = $(foreach option,KILLS SECONDS CALLS SEED,$(if $(TORTURE_$(option)),--$(shell echo $(option) | tr A-Z a-z) $(TORTURE_$(option))))
# The parts that the tests run in side by side, with each set of libraries; and what is in the first of two.
PARTS = $(foreach libraries,debian13 newest,test-$(libraries)-live test-$(libraries)-rest)
LIVE = $(wildcard tests/attacks tests/e2e tests/sql tests/hosts)
# What can be told in a minute: no watcher, no mail server, no database.
QUICK = tests/test_structure.py tests/schemas tests/docs tests/units/test_units.py \
    tests/cli/admin tests/cli/member $(wildcard tests/cli/test_*.py)

.PHONY: demo test quick test-debian13 test-newest $(PARTS) test-system tree lint format bench fuzz torture deb install uninstall schemas messages clean packages

demo: $(VENV)/ready packages
	$(VENV)/bin/python -m tests.demo

# Side by side, since a run waits half of the time; what needs the machine to itself takes turns
# (tests/support/turns.py).
test: $(NEWEST)/ready packages tree
	@$(MAKE) --no-print-directory --output-sync=target --jobs=4 $(PARTS)

test-debian13 test-newest: %: %-live %-rest

test-debian13-live test-debian13-rest: tree
	$(PYTHON) -m tests.system.unbooted python3 -m pytest $(PART)

test-newest-live test-newest-rest: $(NEWEST)/ready packages
	$(NEWEST)/bin/python -m pytest $(PART)

%-live: PART = $(LIVE)
%-rest: PART = --ignore=tests/system $(addprefix --ignore=,$(LIVE))

test-system: $(VENV)/ready tree
	$(VENV)/bin/python -m pytest tests/system

tree:
	@sh tests/setup/packages booting
	@$(PYTHON) -m tests.system.tree

quick: $(VENV)/ready
	$(VENV)/bin/python -m pytest -q $(QUICK)

lint: $(VENV)/ready
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

format: $(VENV)/ready
	$(VENV)/bin/ruff check --select I --fix
	$(VENV)/bin/ruff format

bench: $(VENV)/ready packages
	$(VENV)/bin/python -m tests.benchmarks

fuzz: $(FUZZ)/ready
	$(FUZZ)/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

torture: $(VENV)/ready packages
	$(VENV)/bin/python -m tests.torture $(TORTURE)

deb:
	@sh tests/setup/packages building
	@changes=$$(DEB_VERSION=$(DEB_VERSION) sh debian/build $(DIST)) && \
		sh tests/setup/lintian "$$changes" && echo "$${changes%/*} has the package."

install:
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) PYTHON=$(PYTHON) sh units/install

uninstall:
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) sh units/uninstall

schemas: $(VENV)/ready
	$(VENV)/bin/python -m schemas.export

messages: $(VENV)/ready
	@sh tests/setup/messages $(VENV)/bin/pybabel

packages:
	@sh tests/setup/packages

$(VENV)/ready: setup.cfg pyproject.toml tests/setup/debian-13.txt tests/setup/venv
	@sh tests/setup/venv $(PYTHON) $(VENV) -c tests/setup/debian-13.txt -e '.[test,lint]'

$(NEWEST)/ready: setup.cfg pyproject.toml tests/setup/venv
	@sh tests/setup/venv $(PYTHON) $(NEWEST) --upgrade --upgrade-strategy eager -e '.[test]'

# atheris is built for few versions of Python, so it has an environment to itself.
$(FUZZ)/ready: setup.cfg pyproject.toml tests/setup/debian-13.txt tests/setup/venv
	@sh tests/setup/venv $(PYTHON) $(FUZZ) -c tests/setup/debian-13.txt -e '.[fuzz]'

clean:
	rm -rf $(VENV) $(NEWEST) $(FUZZ) .fuzz build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
