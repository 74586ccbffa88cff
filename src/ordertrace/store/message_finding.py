"""Rules of `[[broker.message]]` as SQL expressions over stored messages. Runs nothing.

Of a message that is stored there are its exchange, its routing keys and what each rule of its time found in it. So a rule
that reads the routing key holds for messages of before; one that reads the body, a header, a property or the baggage does
where it stood in the rules when the message came.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Sequence

from ..model.flow import Flow
from ..privacy.rules import ScrubRules, sql_array, sql_string
from ..settings.brokers import BrokerMessageSettings, BrokerSettings
from ..settings.rules import parse_message_rule

_TEXT_LENGTH_MAX = 256
_EXCHANGE = "if(mapContains(found, 'exchange'), found['exchange'], CAST(exchange, 'String'))"
_KEYS = (
    "if(mapContains(found, 'routing_keys'), splitByChar('\\n', found['routing_keys']), [CAST(routing_key, 'String')])"
)


def routing_patterns(brokers: Sequence[BrokerSettings]) -> set[str]:
    """The patterns that rules apply to routing keys."""
    texts = (text for broker in brokers for section in broker.message for text in (*section.order_id, *section.status))
    return {pattern for source, pattern in map(parse_message_rule, texts) if source == "routing_key"}


class MessageExpressions:
    """What the rules make of stored messages; `places` are the (broker, exchange) that there are, `foreign` the patterns
    for routing keys that the engine does not read: they hold for new messages only.
    """

    def __init__(
        self,
        brokers: Sequence[BrokerSettings],
        flow: Flow,
        scrubs: ScrubRules,
        places: Sequence[tuple[str, str]],
        foreign: Collection[str] = (),
    ) -> None:
        self._scrubs = scrubs
        self._flow = flow
        self._foreign = foreign
        self._sections: dict[BrokerMessageSettings | None, list[str]] = {}
        by_name = {broker.name: broker.message for broker in brokers}
        for broker, exchange in places:
            if broker in by_name:  # of a broker that is not watched any more nothing is known anew
                sections = (one for one in by_name[broker] if fnmatch.fnmatchcase(exchange, one.exchange))
                literal = f"({sql_string(broker)}, {sql_string(exchange)})"
                self._sections.setdefault(next(sections, None), []).append(literal)

    def order_id(self) -> str:
        """The order that the rules find; what was read before that was kept stays."""
        return self._chosen("order_id", lambda section: section.order_id)

    def status(self) -> str:
        """The status that the rules find, in capitals."""
        return self._chosen("status", lambda section: section.status, "upper({})")

    def system(self) -> str:
        """Who published it: a closed system without a broker user of its own is told by the status that it brings about."""
        owners = {status: step.system for status in self._flow.ranks if (step := self._flow.step(status))}
        closed = {status: system for status, system in owners.items() if self._flow.system(system).closed}
        peer = "if(empty(found), CAST(system, 'String'), found['peer'])"
        owner = f"transform({self.status()}, {sql_array(list(closed))}, {sql_array(list(closed.values()))}, '')"
        known = sql_array([system.name for system in self._flow.systems])
        if not closed:
            return f"if(kind = 'published', {peer}, CAST(system, 'String'))"
        return f"if(kind != 'published', CAST(system, 'String'), if({peer} NOT IN {known} AND {owner} != '', {owner}, {peer}))"

    def _chosen(self, column: str, rules: Callable[[BrokerMessageSettings], Sequence[str]], turned: str = "{}") -> str:
        stored = f"CAST({column}, 'String')"
        branches: list[str] = []
        for section, literals in self._sections.items():
            found = self._first([*rules(section)]) if section else "''"
            branches.append(f"(broker, {_EXCHANGE}) IN [{', '.join(literals)}]")
            branches.append(f"if(empty(found) AND {found} = '', {stored}, {turned.format(found)})")
        return f"multiIf({', '.join([*branches, stored])})" if branches else stored

    def _first(self, rules: Sequence[str]) -> str:
        looks = ", ".join([*map(self._look, rules), "''"])
        return f"arrayFirst(text -> text != '', [{looks}])"

    def _look(self, rule: str) -> str:
        source, pattern = parse_message_rule(rule)
        noted = f"found[{sql_string(rule)}]"
        if source != "routing_key" or pattern in self._foreign:
            return noted
        group = 1 if re.compile(pattern).groups else 0
        extracted = f"substring(regexpExtract(key, {sql_string(pattern)}, {group}), 1, {_TEXT_LENGTH_MAX})"
        found = f"arrayFirst(text -> text != '', arrayMap(key -> {extracted}, {_KEYS}))"
        return f"if(mapContains(found, {sql_string(rule)}), {noted}, {self._scrubbed(found)})"

    def _scrubbed(self, text: str) -> str:
        suspect = f"arrayExists(value -> {self._scrubs.suspects}, [{text}])"
        return f"if({suspect}, {self._scrubs.scrub_all(f'[{text}]')}[1], {text})"
