"""Holds a workspace against the sandbox: a script of calls, played on both, and what differs.

Rooms in the order in which a comparison passes them: `script` (the steps, as data), `playing` (sends them, and takes
away what they made), `unknowns` (questions that nobody has documented an answer to), `results` (two transcripts in,
differences out).
"""
