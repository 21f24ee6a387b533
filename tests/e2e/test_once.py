"""A watcher that is started with --once ends when nothing more is to be done at once, whatever is left."""

from ..support.site import Site
from .queue_site import newcomer

REQUEST = b'{"destination": "me@example.org"}'

COUNT = 6000
"""Looking at so many takes longer than one slice of a pass, on any machine."""


def test_files_that_cannot_be_read_are_left_and_do_not_keep_it_from_ending(site: Site) -> None:
    member = newcomer(site)
    for number in range(COUNT):
        site.drop(member.name, f"{number}.json", REQUEST)
    other = newcomer(site)
    site.drop(other.name, "other.json", REQUEST, mode=0o644)

    # Without the one privilege that its service leaves to root.
    without = "-dac_override,-dac_read_search"
    before = ["setpriv", f"--inh-caps={without}", f"--bounding-set={without}"]
    watcher = site.spawn_watcher("--once", before=before)
    watcher.wait_exit(60)

    assert [record["username"] for record in site.records("pending")] == [other.name]
    assert len(list(site.paths.queue.iterdir())) == COUNT
    assert "cannot be dealt with: Permission denied" in watcher.log
