from cli.polling import FIRST_PAUSE, LONGEST_PAUSE, wait_for


def test_what_is_there_is_given_without_a_pause() -> None:
    pauses: list[float] = []
    assert wait_for(lambda: "there", 3, pauses.append) == "there"
    assert pauses == []


def test_pauses_grow_from_two_to_fifty_milliseconds() -> None:
    pauses: list[float] = []
    assert wait_for(lambda: len(pauses) == 20 or None, 3, pauses.append) is True
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE) == (0.002, 0.05)
    assert pauses == sorted(pauses)


def test_the_last_look_is_after_the_time_is_over() -> None:
    looks = []
    assert wait_for(lambda: looks.append(1), 0.01) is None
    assert len(looks) >= 2


def test_no_pause_is_so_short_that_it_is_none() -> None:
    pauses: list[float] = []
    wait_for(lambda: None, 0.001, pauses.append)
    assert min(pauses) >= 0.0003
