"""Every metric that ordertrace exposes, on a registry of its own: no globals, no order id in any label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_FAST_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_BUSINESS_SECONDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 4 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400)


class Metrics:
    """The instruments, by the names of the public interface. One object lives as long as the process's app."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        # Orders
        self.orders = gauge("ordertrace_orders", "Orders by state, status and system", "state", "status", "system")
        self.orders_stuck = gauge("ordertrace_orders_stuck", "Stuck or failed orders", "status", "system", "kind")
        self.oldest_open_order = gauge(
            "ordertrace_oldest_open_order_seconds", "Age of the oldest open order", "status", "system"
        )
        self.order_duration = histogram(
            "ordertrace_order_duration_seconds", "Start to end of an order", _BUSINESS_SECONDS, "outcome"
        )
        self.step_duration = histogram(
            "ordertrace_step_duration_seconds", "From a status to the next", _BUSINESS_SECONDS, "status", "system"
        )
        self.deadline_breaches = counter(
            "ordertrace_step_deadline_breaches", "Deadlines that passed", "status", "system"
        )
        self.integration_errors = counter(
            "ordertrace_integration_errors", "Failed calls between systems", "source", "target"
        )
        self.source_last_seen = gauge(
            "ordertrace_source_last_seen_seconds", "Seconds since a system was last heard", "system"
        )
        self.detection_delay = histogram(
            "ordertrace_detection_delay_seconds",
            "From the moment a problem could be known to its finding",
            _FAST_SECONDS,
            "kind",
        )
        self.sweep_seconds = histogram("ordertrace_sweep_seconds", "Duration of a sweep", _FAST_SECONDS)

        # Intake
        self.spans_received = counter("ordertrace_spans_received", "Spans in acknowledged requests", "protocol")
        self.spans_stored = counter("ordertrace_spans_stored", "Spans that became rows")
        self.spans_refused = counter("ordertrace_spans_refused", "Spans not kept", "reason")
        self.logs_received = counter(
            "ordertrace_log_records_received", "Log records in acknowledged requests", "protocol"
        )
        self.logs_stored = counter("ordertrace_log_records_stored", "Log records that became rows")
        self.logs_refused = counter("ordertrace_log_records_refused", "Log records not kept", "reason")
        self.requests_repeated = counter(
            "ordertrace_requests_repeated", "Requests that were acknowledged before and not written again"
        )
        self.forwarded = counter("ordertrace_forwarded", "Spans and log records passed on", "signal")
        self.forward_dropped = counter(
            "ordertrace_forward_dropped", "Groups that are not passed on, and records that were rejected", "reason"
        )
        self.forward_retries = counter("ordertrace_forward_retries", "Attempts to pass on that failed for now")
        self.requests = counter("ordertrace_requests", "Requests by protocol and answer", "protocol", "answer")
        self.group_spans = histogram(
            "ordertrace_group_spans",
            "Spans in a group given to the store",
            (10, 100, 1_000, 5_000, 10_000, 25_000, 50_000),
        )
        self.journal_seconds = histogram("ordertrace_journal_seconds", "Writing and syncing a request", _FAST_SECONDS)
        self.insert_seconds = histogram("ordertrace_insert_seconds", "One insert", _FAST_SECONDS, "statement")
        self.query_seconds = histogram("ordertrace_query_seconds", "One query", _FAST_SECONDS, "statement")
        self.queued_bytes = gauge("ordertrace_journal_queued_bytes", "Bytes acknowledged and not yet in the store")
        self.groups_set_aside = counter("ordertrace_requests_set_aside", "Requests that the store refused")
        self.limits_hit = counter("ordertrace_limits_hit", "Bounds that were reached", "limit")

        self.replay_share = gauge(
            "ordertrace_replay_share", "How much of history is worked through by the rules in force, 0 to 1"
        )
        self.replayed = counter("ordertrace_replayed", "Rows of history worked through again", "table")

        # Messages
        self.messages = counter("ordertrace_messages", "Messages that came to a state", "queue", "state")
        self.messages_lost = counter("ordertrace_messages_lost", "Messages found lost or stuck", "queue", "verdict")
        self.tap_records = counter(
            "ordertrace_tap_records", "Messages published and delivered that were read", "broker"
        )
        self.tap_lag = gauge("ordertrace_tap_lag_seconds", "How far the reading of a broker is behind", "broker")
        self.heartbeats_missed = counter(
            "ordertrace_heartbeats_missed", "Own messages that did not come back", "broker"
        )
        self.watch_gaps = counter("ordertrace_watch_gaps", "Spans in which a broker was not seen", "broker", "reason")
        self.watch_sources = gauge(
            "ordertrace_watch_source_on", "Whether a source of a watch works", "broker", "source"
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
