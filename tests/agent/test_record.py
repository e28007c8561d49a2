"""Records of requests: what a line says, and that no line breaks the agent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.agent.record import Seen, parse_record

STREAM = "api 1795527830.57 variant.full spot:a 200 -- 12 5127 blue - 1000000 1250000 6 21 20 20,4443,5412,1:18;3:1 -"
WORDS = ("frontend", "id", "backend", "server", "status", "ended", "queued", "size", "tenant", "served", "arrived")
WORDS += ("first", "prompt", "completion", "count", "seen", "spilled")


def _line(**differs):
    """The record of a stream, with other words."""
    return " ".join((dict(zip(WORDS, STREAM.split(" "), strict=True)) | differs).values())


def test_a_stream_says_who_when_and_how_many_tokens():
    record = parse_record(STREAM)
    assert (record.id, record.variant, record.pool, record.tenant, record.status) == (
        "1795527830.57",
        "full",
        "spot",
        "blue",
        200,
    )
    assert (record.queued_s, record.first_byte_s, record.answer_bytes) == (0.012, 0.25, 5127)
    assert (record.seen.tokens, record.seen.token_bytes) == (20, 4443)
    assert (record.prompt_tokens, record.completion_tokens) == (6, 21)
    assert (record.seen.gaps, record.seen.gaps_s) == ({0: 18, 2: 1}, 0.005412)
    assert (record.from_client, record.in_variant, record.is_stream, record.cut_by) == (True, True, True, None)


STORIES = {  # story: (other words, what is read)
    "the gateway refused": (
        {"backend": "api", "server": "<NOSRV>", "status": "401", "queued": "-1", "tenant": "-", "ended": "LR"},
        {"variant": "none", "pool": "none", "tenant": None, "queued_s": None, "in_variant": False, "cut_by": None},
    ),
    "the client left the queue": (
        {"server": "<NOSRV>", "status": "-1", "ended": "CQ", "queued": "-1", "first": "-", "count": "-", "seen": "-"},
        {"status": None, "pool": "none", "seen": None, "is_stream": False, "cut_by": None},
    ),
    "the client left a stream": ({"ended": "CD"}, {"cut_by": "client"}),
    "it left one of which every token was looked at": (
        {"ended": "CD", "count": "7", "seen": "-"},
        {"cut_by": "client", "seen": Seen(7)},
    ),
    "the pod left a stream": ({"ended": "SD"}, {"cut_by": "pod"}),
    "the pod was silent for too long": ({"ended": "sD"}, {"cut_by": "pod"}),
    "the gateway cut a stream": ({"ended": "PD"}, {"cut_by": "gateway"}),
    "it was routed anew: who answered, and both waits": (
        {"server": "again", "served": "variant.small,spot:chat-small-1,30"},
        {"variant": "small", "pool": "spot", "queued_s": 0.042, "in_variant": True},
    ),
    "it was routed anew, and never got a pod": (
        {"server": "again", "served": "variant.small,<NOSRV>,-1", "status": "503"},
        {"variant": "small", "pool": "none", "queued_s": None},
    ),
    "a whole answer, of which usage is known": (
        {"first": "-", "count": "-", "seen": "-"},
        {"is_stream": False, "seen": None, "prompt_tokens": 6, "completion_tokens": 21},
    ),
    "a prompt's embedding has no completion": ({"completion": "-"}, {"prompt_tokens": 6, "completion_tokens": None}),
    "inside HAProxy": ({"frontend": "again"}, {"from_client": False, "in_variant": True}),
    "the clock went back": ({"first": "900000"}, {"first_byte_s": 0.0}),
}


@pytest.mark.parametrize(("differs", "want"), STORIES.values(), ids=STORIES)
def test_what_a_record_says(differs, want):
    record = parse_record(_line(**differs))
    assert {name: getattr(record, name) for name in want} == want


BROKEN = {
    "what HAProxy says where records were lost": "12 events lost",
    "cut short": STREAM[:60],
    "a word more": STREAM + " x",
    "no status": _line(status="abc"),
    "a status that HTTP doesn't have": _line(status="999"),
    "an end state of one letter": _line(ended="-"),
    "a count that isn't": _line(seen="20,4443"),
    "a bucket before the first": _line(seen="20,4443,5412,0:1"),
    "a negative count": _line(seen="-20,4443,5412,1:1"),
    "half a name": _line(served="variant.small"),
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_what_is_no_record_is_refused(line):
    with pytest.raises(ValueError, match=r"."):
        parse_record(line)


_TEXT = st.characters(codec="utf-8", exclude_characters="\n")


@given(st.lists(st.text(_TEXT, max_size=12), max_size=16).map(" ".join))
def test_a_line_is_read_or_refused_in_words(line):
    assert _readable_or_refused(line)


@given(st.integers(0, len(WORDS) - 1), st.text(_TEXT, max_size=24))
def test_a_good_record_with_one_other_word_is_read_or_refused_in_words(place, word):
    words = STREAM.split(" ")
    words[place] = word
    assert _readable_or_refused(" ".join(words))


def _readable_or_refused(line):
    try:
        record = parse_record(line)
    except ValueError as error:
        return bool(str(error))
    return record.answer_bytes >= 0 and (record.queued_s is None or record.queued_s >= 0)
