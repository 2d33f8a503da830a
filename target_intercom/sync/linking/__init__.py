"""Contacts and what they are linked to: tags, and companies."""
