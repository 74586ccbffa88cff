"""The only package that knows ClickHouse: one dialect for the embedded engine and for a cluster."""
