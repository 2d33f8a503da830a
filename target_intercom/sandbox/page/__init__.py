"""The sandbox's page: who is in the workspace, the last calls and the rate-limit window, for a person with a browser.

`views` turn the workspace into what a page shows, `templates` say how it looks, `site` knows the paths.
Nothing here changes anything, and nothing of it is a call to the API.
"""

from __future__ import annotations

from target_intercom.sandbox.page.site import Page

__all__ = ["Page"]
