"""JSON for machines: orders under `/api/v1`, metrics and health. Pages for people are in `web`."""
