"""Which messages are called lost or stuck, and which are not, whatever the order in which the sources speak."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordertrace.rabbit.detector import Detector
from ordertrace.rabbit.identity import Death
from ordertrace.rabbit.lives import Life, QueueFacts, UnackedCount

from .records import START, Q, build_detector, counted, dead, delivered, in_force, judged, nowhere, published


def feed(detector: Detector, *told: Any) -> None:
    for one in told:
        (detector.dead_letter if hasattr(one, "reason") else detector.feed)(one)


def count_twice(detector: Detector, at: float, ready: int, consumers: int = 0, queue: str = Q) -> dict[Any, Any]:
    findings = []
    for moment in (at, at + 0.5):
        detector.queue_seen(queue, counted(moment, ready, consumers))
        findings += judged(detector, moment + 0.2)
    return in_force(findings)


def test_a_message_to_no_queue_is_unroutable_at_once() -> None:
    detector = build_detector()
    detector.feed(nowhere())
    (finding,) = detector.tick(START)
    assert (finding.verdict, finding.confidence, finding.order_id) == ("unroutable", 1.0, "A-1")
    assert finding.evidence[0].values == {"exchange": "alexandrite.orders", "routing_key": "order.submitted"}


@pytest.mark.parametrize(
    "other", [{"exchange": "nobody.listens"}, {"exchange": "", "routing_key": "amq.rabbitmq.reply-to.x"}]
)
def test_exchanges_without_listeners_and_replies_are_left_alone(other: dict[str, str]) -> None:
    detector = build_detector()
    detector.feed(nowhere(**other))
    assert detector.tick(START) == []


@pytest.mark.parametrize("reason", ["expired", "maxlen", "rejected", "delivery_limit"])
def test_dead_letters_say_why(reason: str) -> None:
    detector = build_detector()
    feed(detector, published(0), dead(1, reason=reason))
    (finding,) = detector.tick(START + 1)
    assert (finding.verdict, finding.confidence, finding.queue) == (reason, 1.0, Q)


def test_another_reason_is_a_dead_letter_all_the_same() -> None:
    detector = build_detector()
    feed(detector, dead(1, reason="boredom"))
    assert [f.verdict for f in detector.tick(START + 1)] == ["dead_lettered"]


def test_queues_that_drop_on_purpose_are_muted() -> None:
    detector = build_detector()
    feed(detector, published(0, "m-1", "latest.price"), dead(1, queue="latest.price", reason="maxlen"))
    assert count_twice(detector, 2, 0, queue="latest.price") == {}


@given(st.permutations(["publish", "deliver", "die", "die again"]))
def test_the_order_in_which_a_rejection_is_told_does_not_matter(order: list[str]) -> None:
    told = {"publish": published(0), "deliver": delivered(1), "die": dead(1.1), "die again": dead(1.1)}
    detector = build_detector()
    feed(detector, *(told[name] for name in order))
    assert in_force(judged(detector, 2)) == {("m-1", Q): ("rejected", 1.0)}
    assert count_twice(detector, 3, 0) == {}


@given(st.permutations(["publish", "die"]), st.sampled_from(["expired", "maxlen"]))
def test_the_order_in_which_an_expiry_is_told_does_not_matter(order: list[str], reason: str) -> None:
    told = {"publish": published(0), "die": dead(1.1, reason=reason)}
    detector = build_detector()
    feed(detector, *(told[name] for name in order))
    assert in_force(judged(detector, 2)) == {("m-1", Q): (reason, 1.0)}
    assert count_twice(detector, 3, 0) == {}


@given(st.lists(st.tuples(st.sampled_from(["m-1", "m-2", "m-3"]), st.booleans()), max_size=12), st.data())
def test_what_was_delivered_is_never_missed(messages: list[tuple[str, bool]], data: st.DataObject) -> None:
    """Published and delivered in any order, twins included, with redeliveries and records that are read twice."""
    told: list[Any] = []
    for key, redelivered in messages:
        told += [published(0, key), delivered(1, key)] + ([delivered(2, key, redelivered=True)] if redelivered else [])
    told += [published(0, key, repeated=True) for key, _ in messages[:2]]
    detector = build_detector()
    feed(
        detector,
        *data.draw(st.permutations(told[: len(told) - len(messages[:2])])),
        *told[len(told) - len(messages[:2]) :],
    )
    assert count_twice(detector, 3, 0) == {}
    assert not detector.books.get(Q) or not detector.books[Q].pending


def test_fan_out_is_judged_queue_by_queue() -> None:
    detector = build_detector()
    feed(detector, published(0, "m-1", Q, "crm.order-events"), delivered(0.1), dead(0.5, queue="crm.order-events"))
    assert in_force(judged(detector, 1)) == {("m-1", "crm.order-events"): ("rejected", 1.0)}


def test_a_message_missing_twice_is_removed_and_once_is_not() -> None:
    detector = build_detector()
    detector.feed(published(0))
    detector.queue_seen(Q, counted(1, 1))
    assert judged(detector, 1.2) == []
    detector.queue_seen(Q, counted(1.5, 0))
    assert judged(detector, 1.7) == []
    detector.queue_seen(Q, counted(2, 0))
    (finding,) = judged(detector, 2.2)
    assert (finding.verdict, finding.confidence) == ("removed", 0.8)


def test_nothing_is_judged_before_a_heartbeat_proves_that_all_was_read() -> None:
    detector = build_detector()
    detector.feed(published(0))
    detector.seen(START + 0.9)
    for at in (1.0, 1.5, 2.0):
        detector.queue_seen(Q, counted(at, 0))
        assert detector.tick(START + 60) == []
    detector.feed(delivered(0.9))
    assert judged(detector, 61) == []


def test_an_overtaken_message_is_missing_only_if_the_count_says_so() -> None:
    detector = build_detector()
    feed(detector, published(0, "low"), published(0.1, "high"), delivered(0.2, "high"))
    assert count_twice(detector, 1, 1) == {}
    detector = build_detector()
    feed(detector, published(0, "low"), published(0.1, "high"), published(0.2, "later"), delivered(0.3, "high"))
    assert count_twice(detector, 1, 1) == {("low", Q): ("removed", 0.6)}


def test_overflow_of_a_queue_that_refuses() -> None:
    detector = build_detector(expects_facts=True)
    detector.queue_facts(QueueFacts(Q, rejects=True, length_max=2))
    feed(detector, *(published(n / 10, f"m-{n}") for n in range(3)), delivered(0.5, "m-0"), delivered(0.6, "m-1"))
    feed(detector, published(0.7, "m-3"), delivered(0.8, "m-3"))
    assert count_twice(detector, 1, 0) == {("m-2", Q): ("overflow_rejected", 0.8)}


def test_a_full_queue_without_dead_letters_drops_its_oldest() -> None:
    detector = build_detector(expects_facts=True)
    detector.queue_facts(QueueFacts(Q, length_max=2))
    detector.channels_seen(START - 60, {"c (1)": (False, False)})
    detector.channels_seen(START + 1, {"c (1)": (False, False)})
    feed(detector, *(published(n / 10, f"m-{n}") for n in range(3)))
    assert count_twice(detector, 1, 2) == {("m-0", Q): ("maxlen", 0.8)}


@pytest.mark.parametrize(("transactional", "lost"), [(True, False), (False, True)])
def test_what_a_transaction_may_have_rolled_back_is_not_lost(transactional: bool, lost: bool) -> None:
    detector = build_detector(expects_facts=True)
    detector.queue_facts(QueueFacts(Q))
    detector.channels_seen(START - 60, {"c (1)": (transactional, False)})
    detector.channels_seen(START, {"c (1)": (transactional, False)})
    feed(detector, published(0, "m-1"), published(0.1, "m-2"), delivered(0.2, "m-2"))
    assert bool(count_twice(detector, 1, 0)) is lost
    assert len(detector.take_settled()[1]) == (not lost)


def test_a_channel_nobody_knew_leaves_it_open() -> None:
    detector = build_detector(expects_facts=True)
    detector.queue_facts(QueueFacts(Q))
    feed(detector, published(0))
    assert count_twice(detector, 1, 0) == {}
    assert count_twice(detector, 40, 0) == {}
    assert [life.key for life in detector.take_settled()[1]] == ["m-1"]


def test_no_consumer_is_stuck_after_the_queue_s_time_and_recovers() -> None:
    detector = build_detector()
    detector.feed(published(0, "m-1", "quick.queue"))
    detector.queue_seen("quick.queue", counted(1, 1))
    assert judged(detector, 1.5) == []
    detector.queue_seen("quick.queue", counted(2.5, 1))
    (finding,) = judged(detector, 3)
    assert (finding.verdict, finding.confidence) == ("stuck_in_queue", 1.0)
    assert finding.evidence[0].values == {"ready": "1", "consumers": "0"}
    detector.feed(delivered(4, queue="quick.queue"))
    (cleared,) = judged(detector, 5)
    assert cleared.cleared_at is not None


def test_a_stuck_message_can_still_be_lost() -> None:
    detector = build_detector()
    detector.feed(published(0, "m-1", "quick.queue"))
    detector.queue_seen("quick.queue", counted(2.5, 1))
    judged(detector, 3)
    assert count_twice(detector, 4, 0, queue="quick.queue") == {("m-1", "quick.queue"): ("removed", 0.8)}


def test_a_deleted_queue_takes_what_waited_in_it() -> None:
    detector = build_detector()
    feed(detector, published(0, "m-1"), published(0.1, "m-2"), delivered(0.2, "m-1"), published(0.9, "m-3"))
    detector.queue_deleted(Q, START + 0.5)
    assert in_force(judged(detector, 1)) == {("m-2", Q): ("queue_deleted", 1.0)}
    assert list(detector.books[Q].pending) == ["m-3"]


def test_a_message_that_is_there_after_all_is_not_lost() -> None:
    detector = build_detector()
    detector.feed(published(0, "m-1", "quick.queue"))
    assert count_twice(detector, 1, 0, queue="quick.queue")
    detector.queue_seen("quick.queue", counted(2, 1))
    assert [f.cleared_at is not None for f in judged(detector, 2.3)] == [True]
    detector.queue_seen("quick.queue", counted(3, 1))
    assert [f.verdict for f in judged(detector, 3.3)] == ["stuck_in_queue"]


def test_a_deletion_that_is_told_late_is_still_the_reason() -> None:
    detector = build_detector()
    detector.feed(published(0))
    assert count_twice(detector, 1, 0) == {("m-1", Q): ("removed", 0.6)}
    detector.queue_deleted(Q, START + 5)
    assert in_force(judged(detector, 6)) == {("m-1", Q): ("queue_deleted", 1.0)}


def test_a_queue_that_goes_with_its_consumer_takes_nothing_that_matters() -> None:
    detector = build_detector()
    detector.queue_facts(QueueFacts(Q, temporary=True))
    detector.feed(published(0))
    detector.queue_deleted(Q, START + 0.5)
    assert judged(detector, 1) == []


def test_what_was_in_flight_across_a_gap_is_left_open() -> None:
    detector = build_detector()
    feed(detector, published(0, "m-1"), published(0.1, "m-2"))
    detector.blind(START + 1, START + 9)
    detector.queue_seen(Q, counted(8, 0))
    assert detector.tick(START + 9) == []
    detector.queue_deleted(Q, START + 20)
    assert judged(detector, 21) == []
    detector.feed(published(30, "m-3"))
    assert count_twice(detector, 31, 0) == {("m-3", Q): ("removed", 0.6)}


def test_a_stuck_message_is_found_again_after_a_gap_if_all_are_there() -> None:
    detector = build_detector()
    detector.feed(published(0, "m-1", "quick.queue"))
    detector.blind(START + 1, START + 9)
    detector.queue_seen("quick.queue", counted(10, 1))
    assert judged(detector, 11) == []  # consumers may come back
    detector.queue_seen("quick.queue", counted(12.5, 1))
    assert [f.verdict for f in judged(detector, 13)] == ["stuck_in_queue"]
    detector.blind(START + 13, START + 20)
    detector.queue_seen("quick.queue", counted(21, 0))
    assert [f.cleared_at is not None for f in judged(detector, 22)] == [True]  # taken, but nobody saw how


def test_a_restart_takes_transient_messages_and_queues_that_do_not_last() -> None:
    detector = build_detector()
    feed(detector, published(0, "kept"), published(0, "transient", persistent=False), published(0, "m", "passing"))
    detector.seen(START + 10)
    detector.restarted(Q, 1, START + 20)
    detector.restarted("passing", None, START + 20)
    detector.blind(START + 10, START + 21)
    assert in_force(detector.tick(START + 21)) == {
        ("transient", Q): ("broker_restart", 1.0),
        ("m", "passing"): ("broker_restart", 1.0),
    }


def test_a_wrong_verdict_from_absence_clears_itself_and_a_certain_one_does_not() -> None:
    detector = build_detector()
    detector.feed(published(0))
    assert count_twice(detector, 1, 0)
    detector.feed(delivered(5))
    assert [f.cleared_at is not None for f in judged(detector, 6)] == [True]
    feed(detector, dead(7))
    detector.feed(delivered(8))
    assert [f.cleared_at for f in judged(detector, 9)] == [None]


@given(st.permutations(["removed", "expired"]))
def test_a_weak_verdict_never_replaces_a_certain_one(order: list[str]) -> None:
    detector = build_detector()
    detector.feed(published(0))
    findings = []
    for name in order:
        if name == "expired":
            feed(detector, dead(3, reason="expired"))
        else:
            for at in (1.0, 1.5):
                detector.queue_seen(Q, counted(at, 0))
                findings += judged(detector, at + 0.2)
        findings += judged(detector, 4)
    assert in_force(findings) == {("m-1", Q): ("expired", 1.0)}


def test_what_comes_back_from_a_delay_queue_was_no_loss() -> None:
    detector = build_detector(expects_facts=True)
    detector.queue_facts(QueueFacts(Q, dead_letter_exchange="later", forwards=True))
    for round_ in range(1, 4):
        feed(detector, *([published(0)] if round_ == 1 else []))
        deaths = (Death("rejected", Q, round_ - 1, "", ""),) if round_ > 1 else ()
        feed(detector, delivered(round_, deaths=deaths), dead(round_ + 0.1, count=round_))
    assert judged(detector, 10) == []
    feed(detector, delivered(11, deaths=(Death("rejected", Q, 10, "", ""),)))
    assert [f.verdict for f in judged(detector, 12)] == ["redelivery_loop"]


def test_a_dead_letter_of_an_unknown_queue_waits_for_what_is_known_of_it() -> None:
    detector = build_detector(expects_facts=True)
    detector.dead_letter(dead(1))
    assert judged(detector, 1.5) == []
    detector.queue_facts(QueueFacts(Q, ours=True))
    assert [f.verdict for f in judged(detector, 2)] == ["rejected"]


def test_published_again_after_a_loss_it_lives_again() -> None:
    detector = build_detector()
    feed(detector, published(0), delivered(0.1), dead(0.2))
    assert in_force(judged(detector, 1))
    feed(detector, published(5), delivered(5.1))
    assert [f.cleared_at is not None for f in judged(detector, 6)] == [True]


def test_redeliveries_become_a_loop_which_ends() -> None:
    detector = build_detector()
    feed(detector, published(0), *(delivered(n, redelivered=n > 1) for n in range(1, 13)))
    (finding,) = judged(detector, 13)
    assert (finding.verdict, finding.evidence[0].values["times"]) == ("redelivery_loop", "10")
    detector.queue_unacked(Q, START + 30, 0)
    (cleared,) = judged(detector, 31)
    assert cleared.cleared_at is not None
    assert [done.why for done in detector.take_settled()[0]] == ["none_unacked"]


def test_a_hanging_consumer_is_told_from_a_busy_one() -> None:
    detector = build_detector()
    feed(detector, *(published(0, f"m-{n}", order_id=f"A-{n}") for n in range(3)))
    feed(detector, *(delivered(0.1, f"m-{n}", order_id=f"A-{n}") for n in range(3)))
    detector.feed(published(2, "effect", "crm.order-events", order_id="A-1", user="mes", peer="mes"))
    assert [done.why for done in detector.take_settled()[0]] == ["follow_up"]
    detector.feed(
        published(3, "note", "crm.notes", order_id="A-0", user="mes", peer="mes", exchange="notes", status="")
    )
    assert detector.take_settled()[0] == []
    detector.queue_unacked(Q, START + 100, 2)
    assert judged(detector, 100) == []
    detector.queue_unacked(Q, START + 400, 1)
    assert judged(detector, 400) == []  # one of two: which is not known
    detector.queue_unacked(Q, START + 401, 2)
    assert in_force(judged(detector, 401)) == {("m-0", Q): ("unacked", 1.0), ("m-2", Q): ("unacked", 1.0)}
    detector.queue_unacked(Q, START + 500, 0)
    assert all(f.cleared_at for f in judged(detector, 500))


def test_what_an_earlier_process_had_in_flight_goes_on() -> None:
    detector = build_detector()
    for key in ("m-1", "m-2"):
        life = Life(key, "quick.queue", published=1, published_at=START, waiting_since=START)
        detector.restore(life)
    assert not detector.feed(published(0.1, "m-1", "quick.queue", repeated=True))
    detector.feed(delivered(1, "m-1", "quick.queue"))
    detector.queue_seen("quick.queue", counted(30, 1))
    assert in_force(judged(detector, 31)) == {("m-2", "quick.queue"): ("stuck_in_queue", 1.0)}


def test_memory_is_bounded_and_says_so() -> None:
    detector = build_detector()
    limit = 100_000
    for n in range(limit + 10):
        detector.feed(published(n / 1000, f"m-{n}"))
    detector.tick(START + 200)
    assert len(detector.books[Q].pending) < limit
    assert detector.limits_hit["messages_pending"] > 0


def unacked(at: float, count: int, ready: int = 0) -> UnackedCount:
    """What the queue itself told."""
    return UnackedCount(START + at, START + at + 0.001, count, ready)


def test_the_queues_own_count_settles_and_accuses_at_once() -> None:
    detector = build_detector()
    feed(detector, published(0, "m-0"), delivered(0.1, "m-0"), published(0, "m-1"), delivered(0.1, "m-1"))
    detector.unacked_counted(Q, unacked(0.5, 1))
    assert judged(detector, 1) == []
    assert detector.take_settled()[0] == []  # one of two: which is not known
    detector.unacked_counted(Q, unacked(301, 2))
    held = {("m-0", Q): ("unacked", 1.0), ("m-1", Q): ("unacked", 1.0)}
    assert in_force(judged(detector, 302)) == held
    detector.unacked_counted(Q, unacked(303, 0))
    assert len(judged(detector, 304)) == 2
    assert {done.why for done in detector.take_settled()[0]} == {"none_unacked"}


def test_what_went_back_into_the_queue_is_not_settled() -> None:
    detector = build_detector()
    feed(detector, published(0), delivered(0.1))
    detector.unacked_counted(Q, unacked(0.5, 0, ready=1))  # requeued, and not given out again yet
    judged(detector, 1)
    assert detector.take_settled()[0] == []
    detector.feed(delivered(2, redelivered=True))
    detector.unacked_counted(Q, unacked(2.5, 0))
    judged(detector, 3)
    assert len(detector.take_settled()[0]) == 1


def test_who_is_behind_with_reading_compares_nothing_with_a_count() -> None:
    detector = build_detector()
    detector.feed(published(0))
    for at in (5.0, 5.5):
        detector.queue_seen(Q, counted(at, 0))
        detector.seen(START + at + 0.3, START + at + 3)
        assert detector.tick(START + at + 3) == []
    assert count_twice(detector, 20, 0) == {("m-1", Q): ("removed", 0.6)}


def test_dead_letters_that_only_one_queue_parks_are_known_by_the_parking_queues_growth() -> None:
    for alone, verdict in ((True, {("m-1", Q): ("dead_lettered", 0.6)}), (False, {})):
        detector = build_detector()
        facts = QueueFacts(Q, dead_letter_exchange="mes.away", parking="mes.parked", alone=alone)
        detector.queue_facts(facts)
        detector.parking_seen(START, {"mes.parked": 4})
        feed(detector, published(1), delivered(1.1))
        detector.parking_seen(START + 2, {"mes.parked": 5})
        detector.unacked_counted(Q, unacked(2, 0))
        assert in_force(judged(detector, 3)) == verdict
        assert [done.why for done in detector.take_settled()[0]] == ([] if alone else ["none_unacked"])


def test_a_message_that_was_read_after_its_queues_deletion_went_with_it() -> None:
    detector = build_detector()
    detector.queue_deleted(Q, START + 1)
    detector.feed(published(1.5))  # sent before, read late; the queue is there again
    judged(detector, 2)
    assert count_twice(detector, 3, 0)["m-1", Q][0] == "queue_deleted"
    detector.feed(published(9, "m-2"))
    assert count_twice(detector, 10, 0)["m-2", Q][0] == "removed"
