"""The harness: throwaway servers with real accounts, real Postfix, real processes.

Shared by the end-to-end tests, the demonstration and the benchmarks, so nothing here imports pytest but `needs`.
Nothing sleeps: every wait is for an event (inotify, a socket, the end of a process) and has a limit.

    waiting     a condition on files, awaited by inotify; the end of a process
    notify      the socket on which systemd hears READY=1 and STATUS=
    accounts    accounts and groups that only our own processes see
    install     a copy of the programs that every account may execute
    mailconfig  a Postfix configuration directory, enough for postmap and postconf
    postfix     a Postfix of our own, running, on a loopback port
    sink        the outside world's mail server, which remembers what it was given
    layout      the files of a server on disk, with the owners and modes they have there
    watcher     the running watcher
    site        all of it together: one whole server under one directory
    programs    fake programs, for what this machine has not
    needs       what this machine must have for a test, and what happens if it has not
"""
