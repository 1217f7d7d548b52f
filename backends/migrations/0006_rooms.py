from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# What every tick asks of 80,000 devices, kept by node: bit i of `idle` says that device i is IDLE. No model: only triggers
# write it, and only `backends/node_capacity.py` reads it. Nothing else is kept: who ends several jobs in one transaction changes
# devices of many nodes in any order, but nobody does so with free ones.
TABLE = """
CREATE TABLE backends_room (
    backend_id bigint PRIMARY KEY,
    idle bigint NOT NULL DEFAULT 0,
    size smallint NOT NULL DEFAULT 0,
    free smallint NOT NULL GENERATED ALWAYS AS (bit_count(idle::bit(64))) STORED
)
"""
INDEX = "CREATE INDEX room_free ON backends_room (free, size, backend_id) WHERE free > 0"
MASK = """
CREATE FUNCTION backends_idle(device backends_device) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN device.status = 'IDLE' THEN 1::bigint << device.index ELSE 0 END $$;
"""
# Differences, not sums: two transactions may change devices of one node at once, and the second finds what the first
# has written. In the order of nodes, so that two of them never wait for each other.
CHANGED = """
CREATE FUNCTION backends_rooms_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH nodes AS (
        SELECT backend_id, bit_or(old_idle) AS old_idle, bit_or(new_idle) AS new_idle
        FROM (
            SELECT was.backend_id, backends_idle(was) AS old_idle, 0::bigint AS new_idle FROM before AS was
            UNION ALL SELECT now.backend_id, 0, backends_idle(now) FROM changed AS now
        ) AS device GROUP BY backend_id
    ), moved AS (
        SELECT nodes.* FROM nodes JOIN backends_room AS room ON room.backend_id = nodes.backend_id
        WHERE old_idle <> new_idle ORDER BY room.backend_id FOR UPDATE OF room
    )
    UPDATE backends_room AS room SET idle = (room.idle & ~moved.old_idle) | moved.new_idle
    FROM moved WHERE room.backend_id = moved.backend_id;
    RETURN NULL;
END $$
"""
ADDED = """
CREATE FUNCTION backends_rooms_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO backends_room AS room (backend_id, idle, size)
    SELECT now.backend_id, bit_or(backends_idle(now)), count(*)
    FROM changed AS now GROUP BY now.backend_id ORDER BY now.backend_id
    ON CONFLICT (backend_id) DO UPDATE SET idle = room.idle | excluded.idle,
        size = room.size + excluded.size;
    RETURN NULL;
END $$
"""
GONE = """
CREATE FUNCTION backends_rooms_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM backends_room;
    ELSE
        UPDATE backends_room AS room
        SET idle = room.idle & ~gone.idle, size = room.size - gone.size
        FROM (
            SELECT was.backend_id, bit_or(backends_idle(was)) AS idle, count(*) AS size
            FROM before AS was GROUP BY was.backend_id
        ) AS gone WHERE gone.backend_id = room.backend_id;
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = """
CREATE TRIGGER rooms_insert AFTER INSERT ON backends_device REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION backends_rooms_added();
CREATE TRIGGER rooms_update AFTER UPDATE ON backends_device REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION backends_rooms_changed();
CREATE TRIGGER rooms_delete AFTER DELETE ON backends_device REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION backends_rooms_gone();
CREATE TRIGGER rooms_truncate AFTER TRUNCATE ON backends_device
    FOR EACH STATEMENT EXECUTE FUNCTION backends_rooms_gone();
"""
FILL = """
INSERT INTO backends_room (backend_id, idle, size)
SELECT device.backend_id, bit_or(backends_idle(device)), count(*)
FROM backends_device AS device GROUP BY device.backend_id
"""
FORGET = """
DROP TRIGGER rooms_insert ON backends_device; DROP TRIGGER rooms_update ON backends_device;
DROP TRIGGER rooms_delete ON backends_device; DROP TRIGGER rooms_truncate ON backends_device;
DROP FUNCTION backends_rooms_added, backends_rooms_changed, backends_rooms_gone, backends_idle;
DROP TABLE backends_room;
"""


def keep_rooms(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let PostgreSQL keep by node which devices are free."""
    if schema_editor.connection.vendor == "postgresql":
        for statement in (TABLE, INDEX, MASK, CHANGED, ADDED, GONE, TRIGGERS, FILL):
            schema_editor.execute(statement, params=None)


def forget_rooms(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FORGET, params=None)


class Migration(migrations.Migration):
    dependencies = [("backends", "0005_cheap_orders")]
    operations = [migrations.RunPython(keep_rooms, forget_rooms)]
