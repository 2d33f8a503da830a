"""Calls about data attributes."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects.attributes import MODELS
from target_intercom.sandbox.routes.route import ATTRIBUTES, WRITE_ATTRIBUTES, Errand, Route


def _list_attributes(errand: Errand) -> dict[str, Any]:
    model = errand.query.get("model")
    if model == "conversation" and errand.version.conversation_attributes_moved:
        raise errors.conversation_attributes_moved()
    if model is not None and model not in MODELS:
        raise errors.attribute_model_invalid()
    archived = errand.query.get("include_archived") == "true"
    models = MODELS if model is None else (model,)
    listed = errand.workspace.list_attributes(models, errand.version, archived=archived)
    return {"type": "list", "data": listed}


def _create_attribute(errand: Errand) -> dict[str, Any]:
    return errand.workspace.create_attribute(errand.body, errand.version)


def _update_attribute(errand: Errand) -> dict[str, Any]:
    return errand.workspace.update_attribute(errand.params[0], errand.body, errand.version)


ROUTES = [
    Route("GET", "/data_attributes", _list_attributes, ATTRIBUTES),
    Route("POST", "/data_attributes", _create_attribute, WRITE_ATTRIBUTES),
    Route("PUT", "/data_attributes/{id}", _update_attribute, WRITE_ATTRIBUTES),
]
