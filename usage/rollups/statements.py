"""Templates of PostgreSQL statements for what was held in a range, in whole ms from its start.

`%(start)s` and `%(end)s` are the range, `%(zero)s` is its start in ms since 1970, `%(span)s` its length, and
`%(width)s` the length of the pieces into which it is cut, in ms. Equal allocations, as of a job with many devices, are
counted.
"""

# float8 holds every whole millisecond until the year 287,396, so what is rounded here was exact; numeric takes ten
# times as long. `least` and `greatest` leave nulls out, and bring infinite times into the range that we keep.
HELD = """
former AS MATERIALIZED (
    SELECT device_id, model, lag(until, 1, '-infinity') OVER (PARTITION BY device_id ORDER BY until) AS since, until
    FROM backends_formermodel
),
stay AS (
    SELECT a.token_id, coalesce(a.sda_model_id, s.model_id) AS sda_model_id,
        coalesce(
            a.group_id,
            (SELECT j.group_id FROM scheduler_job j WHERE j.id = a.job_id),
            (SELECT g.backend_group_id FROM sda_sdamodelgroup g WHERE g.id = s.model_group_id),
            0
        ) AS group_id,
        coalesce(f.model, d.model) AS device_model, a.job_id IS NULL AS reserved, a.started_at, a.ended_at,
        CASE WHEN a.ended_at IS NULL THEN (SELECT j.started_at FROM scheduler_job j WHERE j.id = a.job_id)
            ELSE a.ready_at END AS ready_at,
        count(*) AS devices
    FROM scheduler_allocation a
    JOIN sda_sda s ON s.id = a.sda_id
    JOIN backends_device d ON d.id = a.device_id
    LEFT JOIN former f ON f.device_id = a.device_id AND a.started_at >= f.since AND a.started_at < f.until
    WHERE a.started_at < %(end)s AND (a.ended_at > %(start)s OR a.ended_at IS NULL) {whose}
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
),
cut AS (
    SELECT token_id, sda_model_id, group_id, device_model, reserved, devices,
        greatest((date_part('epoch', greatest(started_at, '1970-01-01Z')) * 1000)::bigint - %(zero)s, 0) AS since,
        (date_part('epoch', greatest(least(ready_at, '9000-01-01Z'), '1970-01-01Z')) * 1000)::bigint
            - %(zero)s AS ready,
        least((date_part('epoch', least(ended_at, '9000-01-01Z')) * 1000)::bigint - %(zero)s, %(span)s) AS until
    FROM stay
),
held AS MATERIALIZED (SELECT * FROM cut WHERE since < until)
"""
PIECES = "generate_series({since} / %(width)s, ({until} - 1) / %(width)s) AS piece"
WITHIN = "least({until}, (piece + 1) * %(width)s) - greatest({since}, piece * %(width)s)"

# By kind: only sums, so that the sums of coarser periods follow from those of finer ones.
KINDS = f"""
SELECT piece, {{columns}},
    sum(devices * ({WITHIN.format(since="since", until="until")}))::bigint AS device_ms,
    sum(CASE WHEN reserved THEN 0 ELSE
        devices * greatest({WITHIN.format(since="since", until="least(ready, until)")}, 0) END)::bigint AS preparing_ms,
    sum(CASE WHEN reserved THEN
        devices * ({WITHIN.format(since="since", until="until")}) ELSE 0 END)::bigint AS reserved_ms
FROM held, {PIECES.format(since="since", until="until")}
GROUP BY piece, {{columns}} ORDER BY piece, {{columns}}
"""  # noqa: S608 - only our own names are put in

# How many at once: one step for each change of the number held; between two changes it stays the same.
LEVELS = f"""
{{name}}_change AS (
    SELECT who, at, sum(n) AS n FROM (
        SELECT {{who}} AS who, since AS at, devices AS n FROM held UNION ALL SELECT {{who}}, until, -devices FROM held
    ) AS either GROUP BY who, at
),
{{name}}_step AS (
    SELECT who, at, lead(at) OVER w AS next, (sum(n) OVER w)::bigint AS level
    FROM {{name}}_change WINDOW w AS (PARTITION BY who ORDER BY at)
),
{{name}} AS (
    SELECT piece, who, sum(level * ({WITHIN.format(since="at", until="next")}))::bigint AS device_ms,
        CASE WHEN sum({WITHIN.format(since="at", until="next")}) < %(width)s THEN 0 ELSE min(level) END AS minimum,
        max(level) AS maximum
    FROM {{name}}_step, {PIECES.format(since="at", until="next")}
    WHERE level > 0 GROUP BY piece, who
)
"""  # noqa: S608 - only our own names are put in
