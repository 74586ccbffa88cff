"""Alexandrite, the reference company: Shop, MES, CRM and a carrier over a real RabbitMQ, with faults on demand."""
