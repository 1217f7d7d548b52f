"""schemathesis over the whole schema: one round of cases against the real application, on a world of its own."""

import gc
import threading
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from django.db import connections
from schemathesis.auths import AuthContext
from schemathesis.config import (
    ChecksConfig,
    CoveragePhaseConfig,
    ExamplesPhaseConfig,
    FuzzingPhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    StatefulPhaseConfig,
)
from schemathesis.config._phases import InferenceConfig
from schemathesis.engine import events, from_schema
from schemathesis.generation import GenerationMode

from accounts.models import Operator
from accounts.services.access import open_access
from backends.services.groups import create_backend_group
from core.api.description.links import LINKS
from moreh_cloud.wsgi import application
from scheduler.services.jobs import finish_job
from tests import make
from tests.api import entitle
from tests.schema import committed

# The schema is too simple to say that a text may stand for a number, and that texts of blanks may not; strangers are
# turned away by test_api_addresses.
NOT_JUDGED = ("positive_data_acceptance", "negative_data_rejection", "ignored_auth")
# Its 503 tells that no gRPC server runs beside the tests.
ASKED_FOR = {("GET", "/api/check", "not_a_server_error")}
IDS = {"id", "group", "backend", "sdamodel", "model", "groupId", "parentId", "childId", "sdaId"}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass
class Found:
    """What a round sent, along which links, what came back, and what must not have."""

    cases: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def provider_for(operator: Operator) -> type[Any]:
    """Make what sends an access token with each case; cases that end it get one of their own."""

    def opened() -> str:
        value = open_access(operator, actor=make.ACTOR).value
        connections.close_all()  # schemathesis asks from threads of its own
        return value

    shared = opened()

    class LoggedIn:
        def get(self, case: schemathesis.Case[Any], _context: AuthContext) -> str:
            return opened() if "/auth/" in case.operation.path else shared

        def set(self, case: schemathesis.Case[Any], data: str, _context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    return LoggedIn


def every_edge(operator: Operator, tags: set[str], *, within: int | None) -> Found:
    """Send the edges of every parameter of these nouns, the same each time, for at most `within` seconds."""
    phases = _phases(coverage=CoveragePhaseConfig(enabled=True))
    return _run(operator, phases, lambda found: not tags.isdisjoint(found.definition.raw["tags"]), within=within)


def random_round(operator: Operator, *, seed: int, examples: int, within: int | None) -> Found:
    """Send random cases of each operation alone, for at most `within` seconds."""
    generation = GenerationConfig(max_examples=examples, with_security_parameters=False)
    fuzzing = FuzzingPhaseConfig(generation=generation)
    return _run(operator, _phases(fuzzing=fuzzing), lambda _found: True, seed=seed, within=within)


def random_sequences(operator: Operator, *, seed: int, examples: int, within: int | None) -> Found:
    """Make, use and delete along the links of the description, for at most `within` seconds.

    With good input and ids that are there, for hardly anything would be made otherwise; along our links, not guessed.
    """
    generation = GenerationConfig(max_examples=examples, modes=[GenerationMode.POSITIVE])
    stateful = StatefulPhaseConfig(generation=generation, inference=InferenceConfig(algorithms=[]), max_steps=8)
    return _run(operator, _phases(stateful=stateful), _is_linked, seed=seed, within=within, change=_name_what_is_there)


def _is_linked(operation: Any) -> bool:
    name = operation.definition.raw["operationId"]
    return name in LINKS or any(name in uses for uses in LINKS.values())


def _name_what_is_there(schema: dict[str, Any]) -> None:
    """Keep ids to the few that `furnish` makes."""
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    asked = [(one["name"], one["schema"]) for operation in operations for one in operation.get("parameters", [])]
    bodies = [shape for name, shape in schema["components"]["schemas"].items() if name.endswith("Request")]
    asked += [pair for body in bodies for pair in body.get("properties", {}).items()]
    for name, described in asked:
        if name in IDS and described.get("type") == "integer":
            described |= {"minimum": 1, "maximum": 3}


def _phases(**wanted: Any) -> PhasesConfig:
    off: dict[str, Any] = {
        "examples": ExamplesPhaseConfig(enabled=False),
        "coverage": CoveragePhaseConfig(enabled=False),
        "fuzzing": FuzzingPhaseConfig(enabled=False),
        "stateful": StatefulPhaseConfig(enabled=False),
    }
    return PhasesConfig(**{**off, **wanted})


def _run(
    operator: Operator,
    phases: PhasesConfig,
    chosen: Callable[[Any], bool],
    *,
    seed: int = 1,
    within: int | None = None,
    change: Callable[[dict[str, Any]], None] = lambda _schema: None,
) -> Found:
    checks = ChecksConfig()
    for name in NOT_JUDGED:
        getattr(checks, name).enabled = False
    project = ProjectConfig(phases=phases, checks=checks, continue_on_failure=True)
    config = SchemathesisConfig(seed=seed, max_time=within, projects=ProjectsConfig(default=project))
    description = described()
    change(description)
    schema = schemathesis.openapi.from_dict(description, config=config)
    schema.app = application
    schema.auth(refresh_interval=None)(provider_for(operator))
    found, before = Found(), set(threading.enumerate())
    for event in from_schema(schema.include(lambda context: chosen(context.operation))).execute():
        note(event, found)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # seconds; when its time is over a round leaves its last request to a thread
    connections.close_all()
    gc.collect()  # the WSGI client leaves files of large bodies open: not to the next test
    return found


def described() -> dict[str, Any]:
    """Read the schema, and let every body come as a form too, as the API's conventions promise.

    Keys are left out: the same one with every case would hide what is behind it, and has tests of its own.
    """
    schema: dict[str, Any] = deepcopy(committed())
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    for operation in operations:
        given = operation.get("parameters", [])
        operation["parameters"] = [one for one in given if one["name"] != "Idempotency-Key"]
    for content in [operation["requestBody"]["content"] for operation in operations if "requestBody" in operation]:
        content.update(dict.fromkeys(FORMS, content["application/json"]))
    return schema


def note(event: events.EngineEvent, found: Found) -> None:
    """Count the cases of an event and keep what was wrong."""
    if isinstance(event, events.NonFatalError):
        found.wrong.append(f"{event.label}: {event.info.format()}")
    if isinstance(event, events.FatalError):
        raise event.exception
    if not isinstance(event, events.ScenarioFinished):
        return
    recorder = event.recorder
    found.cases[event.phase.value] += len(recorder.interactions)
    found.links.update(one.transition.id for one in recorder.cases.values() if one.transition)
    for one in recorder.interactions.values():
        found.statuses[one.response.status_code if one.response else 0] += 1
    for number, checks in recorder.checks.items():
        case: Any = recorder.cases[number].value
        found.wrong += [
            f"{case.method} {case.path} {check.name}: {check.failure_info.failure.title}\n"
            f"{check.failure_info.failure.message}\n{check.failure_info.code_sample}"
            for check in checks
            if check.failure_info is not None and (case.method, case.path, check.name) not in ASKED_FOR
        ]


def furnish() -> None:
    """Fill the world with one of everything, whose small ids the cases hit."""
    node = make.ready_backend(2)
    make.ready_backend(4)
    create_backend_group(name="racks", actor=make.ACTOR)
    job = make.running_job(node)
    entitle(job.token, make.default_group(), job.sda.model)
    finish_job(make.job(), exit_code=1, actor=make.ACTOR)
    for _ in range(3):
        make.job(num_devices=8)
