"""The figures that this project promises, measured: `python -m tests.benchmarks`, or `make bench`.

A figure is a ratio (or a difference) between the watcher and a floor: the least work that anybody's script would have
to do for the same result. Both are measured in one run, on one file system, by one observer, turn and turn about, so
that a busy or a slow machine slows both. Only what has no floor (memory, wake-ups, counts) is held against a number.

    observer    sees a file come or go by inotify, and notes the moment
    floor       the bare script, in a process of its own that is already running
    bench       a throwaway server beside a floor, and the turns that they take
    figures     a figure, its target and its verdict
    table       all figures as one table, and that table in the documentation
    publishing  approval to live, hand edit to live
    requests    request file to pending record, one by one
    bursts      a thousand requests, a thousand approvals
    fairness    what others notice while one member drops a hundred thousand files
    idle        wake-ups and memory while nothing happens
    sql         the same through MariaDB and PostgreSQL, with a hundred thousand aliases
    clients     the floor of that: a bare client library
    commands    the member's command line
"""
