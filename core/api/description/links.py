"""OpenAPI links from what a write has created to the operations on it, by operation id."""

from collections.abc import Mapping
from typing import Any

ID, VALUE = "/id", "/value"
# made by → used in → parameter there: where it stands in the result
LINKS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "backend_create": {
        "backend_list": {"id": ID},
        "backend_update": {"id": ID},
        "backend_device_status_update": {"id": ID},
        "backend_grouping_create": {"backend": ID},
        "backend_grouping_update": {"backend": ID},
        "backend_destroy": {"id": ID},
    },
    "backend_group_create": {
        "backend_group_list": {"id": ID},
        "backend_group_update": {"id": ID},
        "backend_create": {"group": ID},
        "backend_grouping_create": {"group": ID},
        "backend_grouping_update": {"group": ID},
        "backend_group_destroy": {"id": ID},
        "sdamodel_group_create": {"groupId": ID},
    },
    "backend_grouping_create": {
        "backend_grouping_destroy": {"group": ID, "backend": "/backends/0/id"},
        "backend_group_destroy": {"id": ID},
    },
    "sdamodel_create": {
        "sdamodel_list": {"id": ID},
        "sdamodel_grouping_create": {"sdamodel": ID},
        "sda_create": {"model": ID},
        "sdamodel_destroy": {"sdamodel": ID},
    },
    "sdamodel_group_create": {
        "sdamodel_group_list": {"id": ID},
        "sdamodel_group_update": {"id": ID},
        "sdamodel_grouping_create": {"group": ID},
        "membership_create": {"childId": ID},
        "sdamodel_group_destroy": {"id": ID},
    },
    "sdamodel_grouping_create": {
        "sdamodel_grouping_destroy": {"group": ID, "sdamodel": "/sdamodels/0/id"},
    },
    "token_create": {
        "token_list": {"token": VALUE},
        "token_update": {"token": VALUE},
        "token_grouping_create": {"token": VALUE},
        "sda_create": {"token": VALUE},
        "sda_list": {"token": VALUE},
        "sdamodel_list": {"token": VALUE},
        "token_destroy": {"token": VALUE},
    },
    "token_group_create": {
        "token_group_list": {"id": ID},
        "token_group_update": {"id": ID},
        "token_grouping_create": {"group": ID},
        "membership_create": {"parentId": ID},
        "membership_list": {"group": ID},
        "token_group_destroy": {"id": ID},
    },
    "token_grouping_create": {
        "token_grouping_destroy": {"group": ID, "token": "/tokenlist/0/value"},
    },
    "membership_create": {
        "membership_destroy": {"parentId": ID, "childId": "/sdamodelgroups/0/id"},
        "membership_list": {"group": ID},
    },
    "sda_create": {
        "sda_list": {"id": ID},
        "sda_update": {"sdaId": ID, "token": "/token/value", "model": "/modelId"},
        "token_update": {"targetSdaId": ID, "token": "/token/value"},
        "sda_destroy": {"sdaId": ID, "token": "/token/value"},
        "token_destroy": {"token": "/token/value"},
    },
}


def links_of(operation: str, bodies: set[str]) -> dict[str, Any]:
    """Describe the links of an operation; `bodies` are those operations whose parameters stand in the body."""
    return {used: _link(used, given, used in bodies) for used, given in LINKS.get(operation, {}).items()}


def _link(operation: str, given: Mapping[str, str], body: bool) -> dict[str, Any]:
    found = {name: f"$response.body#/result{where}" for name, where in given.items()}
    return {"operationId": operation, ("requestBody" if body else "parameters"): found}
