"""Words for people, in Russian and English: sentences about orders, titles, durations. Pure; knows the model only.

Pages, the API and the command line use the same sentences, so that a support agent and a colleague at the
terminal read the same thing. Not here: layout, time zones, anything about HTTP.
"""

from .coverage import advice_sentence, change_place, share_words
from .deviations import deviation_sentence, deviation_title
from .incidents import entry_title, incident_sentence, incident_state_title
from .messages import fact_words, message_sentence, message_state_title, message_to_do, verdict_title
from .sentences import (
    certainty_words,
    diagnosis_sentence,
    event_words,
    evidence_line,
    next_sentence,
    problem_title,
    what_to_do,
)
from .translator import LANGUAGES, Translator, get_translator
from .words import (
    age_words,
    duration_words,
    number_words,
    owner_title,
    state_title,
    status_reached,
    status_title,
    system_title,
    task_words,
)

__all__ = [
    "LANGUAGES",
    "Translator",
    "advice_sentence",
    "age_words",
    "certainty_words",
    "change_place",
    "deviation_sentence",
    "deviation_title",
    "diagnosis_sentence",
    "duration_words",
    "entry_title",
    "event_words",
    "evidence_line",
    "fact_words",
    "get_translator",
    "incident_sentence",
    "incident_state_title",
    "message_sentence",
    "message_state_title",
    "message_to_do",
    "next_sentence",
    "number_words",
    "owner_title",
    "problem_title",
    "share_words",
    "state_title",
    "status_reached",
    "status_title",
    "system_title",
    "task_words",
    "verdict_title",
    "what_to_do",
]
