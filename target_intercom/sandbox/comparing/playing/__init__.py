"""Sends the steps of the script, and takes away what they made."""
