from tests.cli.doctor.conftest import Clinic


def test_what_the_configuration_gives_up(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    config = site.paths.config
    site.configure(postmap_command=["/usr/local/bin/build", "--all"])
    assert clinic.examine().one("map-build") == (
        "warning",
        f"`postmap_command` in {config} is a command of its own (/usr/local/bin/build --all), which works on the live "
        "map: when it is interrupted, or the disk is full, it may leave a broken map, and no earlier one is put back. "
        "Plain `postmap` gives the safe build.",
        None,
    )
    site.configure(postmap_command=None, run_postmap=False)
    assert clinic.examine().one("map-build") == (
        "warning",
        f"`run_postmap` is false in {config}: only {site.paths.map} is written, and that somebody else builds the "
        "table from it is not proved at each change.",
        None,
    )
    site.configure(run_postmap=None, backend="postfix-texthash", reload_postfix=False)
    assert clinic.examine().one("map-reload") == (
        "warning",
        f"`reload_postfix` is false in {config}, but Postfix reads a texthash map only when it starts or reloads: "
        'changes are not live. Set it to "auto".',
        None,
    )


def test_decisions_that_failed_and_requests_that_wait_are_told_of(clinic: Clinic) -> None:
    site = clinic.site
    clinic.start(pablo="p@example.org")
    failed = site.paths.decisions / "failed"
    site.drop_marker({"decision": "revoke", "username": "nobody", "operator": "root", "reason": "x"})
    site.wait_for(site.failed, what="the failed decision")
    site.drop("pablo", "a.json", {"action": "request", "destination": "p@example.net"})
    site.wait_for(lambda: site.status()["pending"], what="the request")
    report = clinic.examine()
    assert report.worse == set()
    found = "A decision could not be applied and is kept with the reason. Remove the file when you have read it."
    assert report.one("failed-decisions") == ("ok", found, f"ls -l {failed}")
    assert report.one("waiting") == (
        "ok",
        "Requests that wait for a decision: 1; queue entries refused since the watcher started: 0; left alone there: "
        "0.",
        "runv-admin-email-alias pending",
    )
