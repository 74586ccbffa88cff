"""HTML for people: routes, view models, templates and static files. No telemetry parsing and no SQL."""
