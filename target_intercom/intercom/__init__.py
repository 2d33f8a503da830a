"""The Intercom API client; it knows nothing of streams, records or sync."""
