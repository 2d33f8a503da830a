"""Calls of the API by what they are about, beside those about contacts and the workspace (`intercom/client.py`)."""
