"""Airbyte's Pub/Sub destination, as far as tests need it: its messages, a writer, two servers."""
