"""Requests and answers of Intercom's API, without any I/O.

Sources are the official description (API version 2.16) and recorded traffic; where a rule rests on one, the docstring
says so.
"""
