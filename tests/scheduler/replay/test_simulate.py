import csv
import json
import os
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from scheduler.replay.engine import replay
from scheduler.replay.trace import read_jobs, read_nodes
from tests.scheduler.replay.files import DATA, large_trace, make_large_trace
from tests.scheduler.replay.test_engine import assert_no_device_twice

ROOT = Path(__file__).parents[3]
SMALL = [f"--nodes={DATA / 'nodes.csv'}", f"--jobs={DATA / 'alibaba.csv'}"]


def simulate(*arguments: str) -> str:
    out = StringIO()
    call_command("simulate", *arguments, stdout=out)
    return out.getvalue()


def test_the_small_trace_as_json() -> None:
    assert json.loads(simulate(*SMALL, "--json")) == {
        "policy": "strict",
        "placement": "whole-first",
        "nodes": 2,
        "devices": 10,
        "jobs": 7,
        "left_out": 2,
        "left_out_by_cause": {"never ran": 1, "no devices": 1},
        "finished": 6,
        "unplaceable": 1,
        "device_seconds": 1000,
        "wait_seconds": {"mean": 18.333, "p50": 0, "p95": 70, "p99": 70, "max": 70},
        "utilization": 0.769231,
        "fragmentation": 0.3,
        "makespan_seconds": 130,
        "racks_per_job": 0.0,
    }


def test_the_small_trace_as_a_table() -> None:
    assert simulate(*SMALL).splitlines() == [
        "Policy              strict",
        "Placement           whole-first",
        "Nodes               2 with 10 devices",
        "Jobs                7",
        "  finished          6",
        "  unplaceable       1",
        "Left out            2 (1 never ran, 1 no devices)",
        "Device-time         1,000 s",
        "Waiting, mean       18.333 s",
        "  p50 / p95 / p99   0 / 70 / 70 s",
        "  longest           70 s",
        "Utilization         76.92%",
        "Fragmentation       30.00% of the free devices on partly used nodes",
        "Makespan            130 s",
        "Racks               0.0 per job over several nodes",
    ]


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    simulate(*SMALL, f"--plot={tmp_path / 'small.png'}")
    assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_trace_without_any_job(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text((DATA / "alibaba.csv").read_text().splitlines()[0])
    drawn = tmp_path / "none.png"
    report = json.loads(simulate(SMALL[0], f"--jobs={tmp_path / 'jobs.csv'}", "--json", f"--plot={drawn}"))
    assert drawn.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert report["jobs"] == report["device_seconds"] == report["makespan_seconds"] == 0
    assert report["wait_seconds"] == {"mean": 0, "p50": 0, "p95": 0, "p99": 0, "max": 0}


def _head_of_four(folder: Path) -> list[str]:
    """Write jobs of one node of 4: `long` holds 2, `head` wants 4, `small` could pass it; `more` is long's user's."""
    (folder / "nodes.csv").write_text("sn,gpu\na,4\n")
    rows = [("long", "u", 2, 0, 100), ("head", "u", 4, 1, 10), ("small", "v", 2, 2, 50)]
    lines = [f"{name},{user},{devices},{at},{at},{at + runs}" for name, user, devices, at, runs in rows]
    (folder / "jobs.csv").write_text("\n".join(["job_id,user,gpu_num,submit_time,start_time,end_time", *lines, ""]))
    return [f"--nodes={folder / 'nodes.csv'}", f"--jobs={folder / 'jobs.csv'}"]


POLICIES = {
    "strict: the head blocks": (["--policy=strict"], [0, 99, 108]),
    "backfill: who is behind passes": (["--policy=backfill"], [0, 99, 0]),
    "backfill with limits: who is over in time passes": (["--policy=backfill", "--limits=1"], [0, 99, 0]),
    "fair: who used least goes first": (["--policy=fair"], [0, 99, 0]),
}


@pytest.mark.parametrize(("arguments", "waits"), POLICIES.values(), ids=POLICIES)
def test_every_named_policy_and_the_report_names_it(arguments: list[str], waits: list[int], tmp_path: Path) -> None:
    trace = _head_of_four(tmp_path)
    report = json.loads(simulate(*trace, *arguments, "--json"))
    assert (report["policy"], report["finished"]) == (arguments[0].partition("=")[2], 3)
    assert report["wait_seconds"]["mean"] == round(sum(waits) / 3, 3)
    assert simulate(*trace, *arguments).splitlines()[0].split() == ["Policy", report["policy"]]


REFUSALS = {
    "an unknown policy": (
        [*SMALL, "--policy=lottery"],
        "argument --policy: invalid choice: 'lottery' (choose from 'strict', 'backfill', 'fair')",
    ),
    "a guard time that is none": ([*SMALL, "--guard=soon"], "--guard: 'soon' is not a number from 0.001 to 1e9"),
    "a half-life of nothing": ([*SMALL, "--half-life=0"], "--half-life: '0' is not a number from 0.001 to 1e9"),
    "limits below the run times": ([*SMALL, "--limits=0.5"], "--limits: '0.5' is not a number from 1 to 1e9"),
    "no such file": ([SMALL[0], "--jobs=/nowhere/jobs.csv"], "No such file or directory: '/nowhere/jobs.csv'"),
    "nodes where jobs should be": (
        [SMALL[0], f"--jobs={DATA / 'nodes.csv'}"],
        "nodes.csv, line 1: no trace that we know",
    ),
    "a plot in no folder": ([*SMALL, "--plot=/nowhere/x.png"], "No such file or directory: '/nowhere/x.png'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str) -> None:
    arguments, wanted = REFUSALS[case]
    with pytest.raises(CommandError) as caught:
        simulate(*arguments)
    assert wanted in str(caught.value)


def test_a_plot_without_what_draws_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(CommandError, match="deploy/venv"):
        simulate(*SMALL, f"--plot={tmp_path / 'small.png'}")


def test_no_database_and_no_broker_are_used() -> None:
    """Run the real command with addresses where nobody listens."""
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "manage.py", "simulate", *SMALL, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["finished"] == 6


def straight_from_the_file(jobs: Path) -> dict[str, Any]:
    """Count a trace without any of our code: what the replay must agree with."""
    with jobs.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ran = [row for row in rows if row["num_gpu"] != "0" and row["scheduled_time"]]
    held = [int(row["num_gpu"]) * (Decimal(row["deletion_time"]) - Decimal(row["scheduled_time"])) for row in ran]
    return {"jobs": len(ran), "left_out": len(rows) - len(ran), "finished": len(ran), "device_seconds": int(sum(held))}


def assert_replays_whole(nodes: Path, jobs: Path) -> None:
    wanted = straight_from_the_file(jobs)
    begun = monotonic()
    report = json.loads(simulate(f"--nodes={nodes}", f"--jobs={jobs}", "--json"))
    assert monotonic() - begun < 15
    assert report == report | wanted | {"nodes": 1_213, "devices": 6_212, "unplaceable": 0}
    assert_no_device_twice(replay(read_nodes(nodes), read_jobs(jobs).jobs))


def test_the_large_trace_whole(tmp_path: Path) -> None:
    assert_replays_whole(*large_trace(tmp_path))


def test_a_crowded_cluster_keeps_its_books(tmp_path: Path) -> None:
    """Replay a large load on a few nodes: thousands wait, and still every device-second is there."""
    nodes, jobs = make_large_trace(tmp_path)
    trace = read_jobs(jobs)
    outcome = replay(read_nodes(nodes)[:4], trace.jobs)
    wanted = straight_from_the_file(jobs)
    assert (len(outcome.runs), outcome.unplaceable) == (wanted["finished"], ())
    assert sum((run.end_ms - run.start_ms) * run.job.devices for run in outcome.runs) == wanted["device_seconds"] * 1000
    assert max(run.wait_ms for run in outcome.runs) > 0
    assert_no_device_twice(outcome)


def _two_nodes_of_four(folder: Path) -> list[str]:
    """Write jobs: a small one fills the used node or breaks up the free one, then one of a whole node comes."""
    nodes, jobs = folder / "nodes.csv", folder / "jobs.csv"
    nodes.write_text("sn,gpu\na,4\nb,4\n")
    rows = [("four", 4, 0, 10), ("three", 3, 1, 100), ("small", 1, 11, 100), ("whole", 4, 12, 10)]
    lines = [f"{name},me,{devices},{at},{at},{at + runs}" for name, devices, at, runs in rows]
    jobs.write_text("\n".join(["job_id,user,gpu_num,submit_time,start_time,end_time", *lines, ""]))
    return [f"--nodes={nodes}", f"--jobs={jobs}", "--json"]


PLACED = {
    "ours keeps the whole node": (["--placement=whole-first"], 0),
    "best-fit does too": (["--placement=best-fit"], 0),
    "first-fit breaks it up, and the whole job waits": (["--placement=first-fit"], 89),
}


@pytest.mark.parametrize(("arguments", "waits"), PLACED.values(), ids=PLACED)
def test_placements_on_a_trace_of_four_jobs(arguments: list[str], waits: int, tmp_path: Path) -> None:
    report = json.loads(simulate(*_two_nodes_of_four(tmp_path), *arguments, "--no-combine"))
    assert (report["placement"], report["finished"]) == (arguments[0].partition("=")[2], 4)
    assert report["wait_seconds"]["max"] == waits


def test_a_random_placement_is_that_of_its_seed(tmp_path: Path) -> None:
    trace = _two_nodes_of_four(tmp_path)
    report = {simulate(*trace, "--no-combine", "--placement=random", f"--seed={seed}") for seed in range(8)}
    again = {simulate(*trace, "--no-combine", "--placement=random", f"--seed={seed}") for seed in range(8)}
    assert report == again
    assert {json.loads(text)["wait_seconds"]["max"] for text in report} == {0, 89}


def test_whether_jobs_may_span_nodes_decides_who_waits(tmp_path: Path) -> None:
    report = json.loads(simulate(*_two_nodes_of_four(tmp_path), "--placement=first-fit"))
    assert report["wait_seconds"]["max"] == 0
