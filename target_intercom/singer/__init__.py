"""The edge of the Singer protocol: messages in, a batch of records for each stream."""
