"""The commands, run in the test's own process on real directories; `conftest.Player` takes the watcher's part."""
