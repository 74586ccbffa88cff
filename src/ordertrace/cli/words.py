"""The terminal's own labels in Russian and English. Sentences about orders are in `texts`, for all faces alike."""

from __future__ import annotations

_RUSSIAN = {
    "Board: %(url)s": "Доска: %(url)s",
    "API: %(url)s": "API: %(url)s",
    "Telemetry: OTLP gRPC %(grpc)s, OTLP HTTP %(http)s, Zipkin %(zipkin)s": (
        "Телеметрия: OTLP gRPC %(grpc)s, OTLP HTTP %(http)s, Zipkin %(zipkin)s"
    ),
    "Truth about every order: %(path)s": "Правда о каждом заказе: %(path)s",
    "The first orders appear in a few seconds. Ctrl-C stops everything.": (
        "Первые заказы появятся через несколько секунд. Ctrl-C останавливает всё."
    ),
    "Starting RabbitMQ …": "Запускается RabbitMQ …",
    "Orders: %(count)s": "Заказов: %(count)s",
    "No order matches.": "Подходящих заказов нет.",
    "There are more; --limit shows up to 1000 at once.": "Это не все; --limit покажет до 1000 сразу.",
    "ORDER": "ЗАКАЗ",
    "STATE": "СОСТОЯНИЕ",
    "STATUS": "СТАТУС",
    "AGE": "ВОЗРАСТ",
    "WAITS FOR": "ЖДЁТ",
    "WHY": "ПОЧЕМУ",
    "Next: %(what)s": "Дальше: %(what)s",
    "until %(time)s": "до %(time)s",
    "Started %(time)s, age %(age)s": "Начат %(time)s, возраст %(age)s",
    "Traces: %(count)s": "Трассировок: %(count)s",
    "spans: %(count)s": "спанов: %(count)s",
    "errors: %(count)s": "ошибок: %(count)s",
    "No broker is configured: lost messages cannot be seen. See [[broker]].": (
        "Брокер не настроен: потерянные сообщения не видны. См. [[broker]]."
    ),
    "No server answers at %(url)s: its telemetry was not examined.": (
        "Сервер %(url)s не отвечает: его телеметрия не проверена."
    ),
    "cannot be seen: %(losses)s": "не видно: %(losses)s",
    "sends nothing of its own; it is seen through others": "сам ничего не присылает; виден через другие системы",
    "in the last day": "за последние сутки",
    "in the last hour": "за последний час",
    "in the last five minutes": "за последние пять минут",
    "nothing was heard %(window)s": "%(window)s ничего не приходило",
    "%(count)s spans %(window)s": "%(window)s спанов: %(count)s",
    "%(share)s on an order": "с заказом: %(share)s",
    "%(share)s of its messages with a message id": "сообщений с номером: %(share)s",
    "%(count)s say a status": "со статусом: %(count)s",
    "clock %(seconds)s s off": "часы расходятся на %(seconds)s с",
    "%(count)s messages, %(share)s on an order": "сообщений: %(count)s, с заказом: %(share)s",
    "Surer with: %(what)s": "Точнее было бы так: %(what)s",
    "What would help most: %(what)s": "Что поможет больше всего: %(what)s",
    "%(count)s spans and log records passed on": "передано дальше спанов и записей журнала: %(count)s",
    "%(count)s groups wait since %(time)s": "ждут групп: %(count)s, с %(time)s",
    "%(count)s were rejected there": "отклонено там: %(count)s",
    "groups given up: %(reasons)s": "групп не передано: %(reasons)s",
    "nothing gets through since %(time)s: %(error)s": "с %(time)s ничего не проходит: %(error)s",
    "Start the backend, or correct [forward] url. It answers at:": (
        "Запустите принимающую систему или исправьте [forward] url. Проверить ответ:"
    ),
    "It refuses what we send: check the path in [forward] url, and headers_file for its token.": (
        "Она отказывает: проверьте путь в [forward] url и токен в headers_file."
    ),
    "It takes requests but not all in them: its log says why.": (
        "Она принимает запросы, но не всё в них: причина в её журнале."
    ),
    "It was away too long or is too slow: raise [forward] groups_max (%(now)s).": (
        "Она была недоступна слишком долго или не успевает: увеличьте [forward] groups_max (%(now)s)."
    ),
    "It was away longer than [forward] age_max (%(now)s); raise it.": (
        "Она была недоступна дольше [forward] age_max (%(now)s); увеличьте его."
    ),
    "The disk of the data directory is full.": "Диск каталога данных переполнен.",
    "History is being worked through by new rules (%(changed)s): %(share)s done": (
        "История прорабатывается заново по новым правилам (%(changed)s): готово %(share)s"
    ),
    "In %(file)s: orders %(orders)s, events %(events)s, objects %(objects)s": (
        "В %(file)s: заказов %(orders)s, событий %(events)s, объектов %(objects)s"
    ),
    "There are more orders; --limit %(limit)s was reached.": "Это не все заказы: достигнут предел --limit %(limit)s.",
    "Received and all stored and judged: spans %(spans)s, log records %(logs)s": (
        "Принято, сохранено и оценено: спанов %(spans)s, записей журнала %(logs)s"
    ),
    "requests taken: %(count)s": "принято запросов: %(count)s",
    "refused: %(count)s (%(reason)s)": "отклонено: %(count)s (%(reason)s)",
    "spans or log records rejected: %(count)s": "не принято спанов и записей журнала: %(count)s",
    "not taken yet: %(what)s": "пока не принимается: %(what)s",
    "Trace %(trace)s: %(orders)s": "Трассировка %(trace)s: %(orders)s",
    "Spans and log records that these rules would change: %(count)s": "Спанов и записей, которые изменились бы: %(count)s",
    "Stored by earlier rules and not worked through yet: %(count)s": (
        "Записано по прежним правилам и ещё не проработано: %(count)s"
    ),
    "Not everything is shown; too many: %(what)s": "Показано не всё; слишком много: %(what)s",
    "named by a log record: %(rule)s": "назван записью журнала: %(rule)s",
    "named by a message": "назван сообщением",
    "linked": "по ссылке",
    "another key of the order": "другой ключ заказа",
    "sequence of deliveries": "порядок доставок",
    "only this order can be meant": "речь может идти только об этом заказе",
    "from span %(span)s above": "от спана %(span)s выше",
    "from span %(span)s below": "от спана %(span)s ниже",
    "its trace names no other order": "других заказов в трассировке нет",
    "nothing in the trace names an order": "в трассировке не назван ни один заказ",
    "the trace serves several orders": "трассировка обслуживает несколько заказов",
    "named for several orders": "назван для нескольких заказов",
    "holds a key that nobody knows": "ключ неизвестно чей",
    "the system does not know this order": "система не знает такого заказа",
    "%(count)s errors, %(bare)s of them without a stack": "ошибок: %(count)s, из них без стека: %(bare)s",
}


def say(language: str, text: str, **values: object) -> str:
    """A label in the reader's language, with its placeholders filled in; English where there is no other."""
    found = _RUSSIAN.get(text, text) if language == "ru" else text
    return found % values if values else found
