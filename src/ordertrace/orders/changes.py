"""The exact lines that make a system say more, for each runtime: code, environment, settings. Values only, no words. Pure.

Names are those of the OpenTelemetry SDKs and agents, of Micrometer and Brave for senders of Zipkin spans, and of each
language's usual RabbitMQ client.
"""

from __future__ import annotations

from collections.abc import Mapping

_SET = {
    "java-agent": 'Span.current().setAttribute("{key}", {value});',
    "java": 'Span.current().setAttribute("{key}", {value});',
    "python": 'trace.get_current_span().set_attribute("{key}", {value})',
    "nodejs": "trace.getActiveSpan()?.setAttribute('{key}', {value});",
    "dotnet": 'Activity.Current?.SetTag("{key}", {value});',
    "go": 'trace.SpanFromContext(ctx).SetAttributes(attribute.String("{key}", {value}))',
    "zipkin": 'tracer.currentSpan().tag("{key}", {value});',
    "other": 'span.set_attribute("{key}", {value})',
}
_FROM_BAGGAGE: Mapping[str, str] = {
    "java-agent": "OTEL_JAVA_EXPERIMENTAL_SPAN_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE=order.id",
    "java": "OTEL_JAVA_EXPERIMENTAL_SPAN_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE=order.id",
    "python": 'tracer_provider.add_span_processor(BaggageSpanProcessor(lambda key: key == "order.id"))',
    "nodejs": "spanProcessors: [new BaggageSpanProcessor((key) => key === 'order.id')]",
    "dotnet": 'tracing.AddBaggageActivityProcessor(key => key == "order.id")',
    "go": 'sdktrace.WithSpanProcessor(baggagetrace.New(func(m baggage.Member) bool { return m.Key() == "order.id" }))',
    "zipkin": "management.tracing.baggage.tag-fields=order.id",
}
_MESSAGE_ID = {
    "java-agent": "converter.setCreateMessageIds(true);",
    "java": "converter.setCreateMessageIds(true);",
    "zipkin": "converter.setCreateMessageIds(true);",
    "python": "pika.BasicProperties(message_id=str(uuid.uuid4()), …)",
    "nodejs": "channel.publish(exchange, key, body, { messageId: randomUUID(), …options })",
    "dotnet": "properties.MessageId = Guid.NewGuid().ToString();",
    "go": "amqp.Publishing{MessageId: uuid.NewString(), …}",
    "other": "properties.message_id = uuid4()",
}
_RECORD = {
    "java-agent": "Span.current().recordException(exception);",
    "java": "Span.current().recordException(exception);",
    "python": "trace.get_current_span().record_exception(error)",
    "nodejs": "trace.getActiveSpan()?.recordException(error);",
    "dotnet": "Activity.Current?.AddException(exception);",
    "go": "span.RecordError(err, trace.WithStackTrace(true))",
    "zipkin": "tracer.currentSpan().error(exception);",
    "other": "span.record_exception(error)",
}
_LOGS = {
    "java-agent": ("OTEL_LOGS_EXPORTER=otlp",),
    "java": ("OTEL_LOGS_EXPORTER=otlp",),
    "python": ("OTEL_LOGS_EXPORTER=otlp", "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED=true"),
    "nodejs": ("OTEL_LOGS_EXPORTER=otlp",),
    "dotnet": ("OTEL_LOGS_EXPORTER=otlp",),
}
_VALUE = {
    "java-agent": "order.{0}()",
    "java": "order.{0}()",
    "zipkin": "order.{0}()",
    "dotnet": "order.{1}",
    "go": "order.{1}",
}


def name_order(runtime: str) -> tuple[str, ...]:
    """Lines of code of which either makes spans say their order: on one span, or from baggage on all below."""
    copied = _FROM_BAGGAGE.get(runtime)
    return (_set(runtime, "order.id", "id"), *((copied,) if copied else ()))


def name_status(runtime: str) -> tuple[str, ...]:
    """A line of code where a status has really been reached."""
    return (_set(runtime, "order.status", "status"),)


def give_message_ids(runtime: str) -> tuple[str, ...]:
    """A line of code of the program that publishes."""
    return (_MESSAGE_ID.get(runtime, _MESSAGE_ID["other"]),)


def record_errors(runtime: str) -> tuple[str, ...]:
    """A line of code where the error is caught."""
    return (_RECORD.get(runtime, _RECORD["other"]),)


def send_logs(runtime: str) -> tuple[str, ...]:
    """Environment of the program; empty where the runtime has no setting for it."""
    return _LOGS.get(runtime, ())


def connect(service: str, address: str) -> tuple[str, ...]:
    """Environment of a program with an OpenTelemetry agent or SDK; `address` is where OTLP is taken by HTTP."""
    return (
        f"OTEL_SERVICE_NAME={service}",
        f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{address}",
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    )


def list_service(service: str) -> tuple[str, ...]:
    """Settings that make a service part of a system."""
    return ("[[system]]", f'name = "{service}"', f'services = ["{service}"]')


def watch_broker() -> tuple[str, ...]:
    """Settings that make the messages of a broker seen."""
    return ("[[broker]]", 'name = "main"', 'url = "amqp://ordertrace@127.0.0.1:5672/"')


def map_messages() -> tuple[str, ...]:
    """Settings that find the order in a message."""
    return ("[[broker.message]]", 'exchange = "orders"', 'order_id = "body:$.orderId"', 'status = "body:$.status"')


def set_clock() -> tuple[str, ...]:
    """What puts a clock right, and keeps it so."""
    return ("timedatectl set-ntp true",)


def _set(runtime: str, key: str, name: str) -> str:
    known = runtime if runtime in _SET else "other"
    capital = {"id": "ID" if known == "go" else "Id"}.get(name, name.capitalize())
    value = _VALUE.get(known, "order.{0}").format(name, capital)
    return _SET[known].replace("{key}", key).replace("{value}", value)
