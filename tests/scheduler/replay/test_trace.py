from pathlib import Path

import pytest

from scheduler.replay.trace import TraceError, TraceJob, TraceNode, read_jobs, read_nodes
from tests.scheduler.replay.files import DATA

ALIBABA = "name,num_gpu,qos,creation_time,deletion_time,scheduled_time\n"
HELIOS = "job_id,user,gpu_num,submit_time,start_time,end_time\n"
NODES = "sn,gpu\n"
MAY_2023 = 1_684_318_800_000


def test_nodes_without_devices_are_no_nodes() -> None:
    assert read_nodes(DATA / "nodes.csv") == (TraceNode("node-a", 8), TraceNode("node-b", 2))


def test_alibaba_tasks() -> None:
    trace = read_jobs(DATA / "alibaba.csv")
    assert trace.left_out == {"never ran": 1, "no devices": 1}
    assert [(job.name, job.devices, job.priority, job.submitted_ms, job.run_ms) for job in trace.jobs] == [
        ("whole-node", 8, 10, 0, 100_000),
        ("two", 2, 10, 10_000, 50_000),
        ("share", 1, 10, 20_000, 10_000),
        ("best-effort", 4, -10, 30_000, 20_000),
        ("too-large", 11, 10, 40_000, 5_000),
        ("overtakes", 1, 0, 65_000, 10_000),
        ("over-at-once", 1, 20, 130_000, 0),
    ]


def test_helios_jobs() -> None:
    trace = read_jobs(DATA / "helios.csv")
    assert trace.left_out == {"never ran": 1, "no devices": 1, "end unknown": 1}
    assert trace.jobs == (TraceJob("1", "u1", 8, 0, 1_585_699_200_000, 3_600_250),)


def test_acme_jobs_in_the_order_of_their_submission_with_zones_and_numbers() -> None:
    trace = read_jobs(DATA / "acme.csv")
    assert trace.left_out == {}
    assert trace.jobs == (
        TraceJob("dlc0", "u8", 1, 0, MAY_2023, 501),
        TraceJob("dlc1", "u9", 10, 0, MAY_2023 + 2_400_000, 3_600_000),
    )


READABLE = {
    "a byte order mark and blank lines": "\ufeff" + ALIBABA + "\na,1,LS,0,9,5\n\n",
    "columns in another order": "scheduled_time,x,deletion_time,creation_time,qos,num_gpu,name\n5,,9,0,LS,1,a\n",
    "half a device is one device": ALIBABA + "a,0.5,LS,0,9,5\n",
    "an exponent": ALIBABA + "a,1e0,LS,0,0.9E1,5\n",
}


@pytest.mark.parametrize("case", READABLE)
def test_readable(case: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text(READABLE[case], encoding="utf-8")
    assert read_jobs(tmp_path / "jobs.csv").jobs == (TraceJob("a", "LS", 1, 10, 0, 4_000),)


WRONG_JOBS = {
    "an empty file": ("", "line 1: no trace that we know: for Alibaba 2023, no column name, qos, num_gpu"),
    "some other table": ("id,when\n1,2\n", "line 1: no trace that we know"),
    "a column is missing": (
        ALIBABA.replace("qos,", ""),
        "line 1: no trace that we know: for Alibaba 2023, no column qos;",
    ),
    "devices are a word": (ALIBABA + "a,many,LS,0,9,5\n", "line 2, column num_gpu: 'many' is not a number of devices"),
    "devices are negative": (ALIBABA + "a,-1,LS,0,9,5\n", "line 2, column num_gpu: '-1' is not a number of devices"),
    "devices are no number": (ALIBABA + "a,NaN,LS,0,9,5\n", "line 2, column num_gpu: 'NaN' is not a number of devices"),
    "devices are beyond all numbers": (ALIBABA + "a,1e999999,LS,0,9,5\n", "line 2, column num_gpu: '1e999999' is not"),
    "a time is a word": (
        ALIBABA + "a,1,LS,soon,9,5\n",
        "column creation_time: 'soon' is neither seconds nor a timestamp",
    ),
    "a day that never was": (HELIOS + "a,u,1,2020-02-30,1,2\n", "column submit_time: '2020-02-30' is neither seconds"),
    "no submission": (ALIBABA + "a,1,LS,0,9,5\nb,1,LS,,9,5\n", "line 3, column creation_time: is empty"),
    "no name": (ALIBABA + ",1,LS,0,9,5\n", "line 2, column name: is empty"),
    "over before it began": (ALIBABA + "a,1,LS,0,4,5\n", "line 2, column deletion_time: lies before scheduled_time"),
    "a cell too few": (ALIBABA + "a,1,LS,0,9\n", "line 2: 5 cells where the header has 6"),
    "a cell too many": (ALIBABA + "a,1,LS,0,9,5,7\n", "line 2: 7 cells where the header has 6"),
    "an open quote": (ALIBABA + 'a,1,LS,0,9,"5\n', "not readable as CSV"),
}


@pytest.mark.parametrize("case", WRONG_JOBS)
def test_wrong_jobs(case: str, tmp_path: Path) -> None:
    text, wanted = WRONG_JOBS[case]
    path = tmp_path / "jobs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError) as caught:
        read_jobs(path)
    assert str(caught.value).startswith(f"{path}, line ")
    assert wanted in str(caught.value)


WRONG_NODES = {
    "no devices column": ("sn,model\n", "line 1: no column gpu"),
    "a node twice": (NODES + "a,8\nb,8\na,8\n", "line 4, column sn: node 'a' is listed twice"),
    "more devices than any node has": (NODES + "a,65\n", "line 2, column gpu: a node has at most 64 devices, not 65"),
    "a name with a NUL": (NODES + "a\0b,8\n", r"line 2, column sn: 'a\x00b' holds a control character or a line break"),
    "devices are empty": (NODES + "a,\n", "line 2, column gpu: '' is not a number of devices"),
}


@pytest.mark.parametrize("case", WRONG_NODES)
def test_wrong_nodes(case: str, tmp_path: Path) -> None:
    text, wanted = WRONG_NODES[case]
    path = tmp_path / "nodes.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError) as caught:
        read_nodes(path)
    assert str(caught.value) == f"{path}, {wanted}"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_bytes(ALIBABA.encode() + b"\xff\xfe,1,LS,0,9,5\n")
    with pytest.raises(TraceError, match="not readable as CSV: 'utf-8' codec"):
        read_jobs(tmp_path / "jobs.csv")
