"""Watching RabbitMQ: every message's life, and which are lost or stuck. The only package that knows aio_pika."""
