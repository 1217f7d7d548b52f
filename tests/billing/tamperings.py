"""What is done to money past the services and triggers, by SQL, and by what the audit must name it."""

COPY = (
    "INSERT INTO billing_statement (token_id, month, sequence, kind, status, number, customer, currency, time_zone,"
    " starts_at, ends_at, device_ms, total, made_at, issued_at, issued_by) SELECT {stranger}, month, 0, 'STATEMENT',"
    " status, 'x', customer, currency, time_zone, starts_at, ends_at, 0, 0, made_at, issued_at, issued_by"
    " FROM billing_statement WHERE id = {statement}"
)
LINE_COPY = (
    "INSERT INTO billing_statementline (statement_id, place, sda_model_id, sda_model_name, device_model, device_ms,"
    " preparing_ms, reserved_ms, amount) SELECT statement_id, 99, sda_model_id, '', 'none', 0, 0, 0, 0"
    " FROM billing_statementline WHERE id = {line}"
)
LINE, STATEMENT = "billing_statementline {line}", "billing_statement {statement}"
# sentence: (what is done, by what it must be named)
OF_A_LINE = {
    "an amount": ("amount = amount + 1", "amount"),
    "device-time": ("device_ms = device_ms + 1", "device_ms"),
    "preparing": ("preparing_ms = preparing_ms + 1", "preparing_ms"),
    "reserved": ("reserved_ms = reserved_ms - 1", "reserved_ms"),
    "a unit price": ("unit_price = unit_price + 1", "unit_price"),
    "no unit price": ("unit_price = NULL", "unit_price"),
    "another price": ("price_id = {unused}", "price_id"),
    "another SDA model": ("sda_model_id = {model}", "sda_model_id"),
    "the name of its SDA model": ("sda_model_name = 'other'", "sda_model_name"),
    "another device model": ("device_model = 'other'", "device_model"),
}
OF_A_STATEMENT = {
    "a total": ("total = 0", "total"),
    "its device-time": ("device_ms = 0", "device_ms"),
    "another currency": ("currency = 'USD'", "currency"),
    "another name": ("customer = 'other'", "customer"),
    "another customer": ("token_id = {stranger}", "token_id"),
    "another month": ("month = '2025-01-01'", "month"),
    "another number": ("number = 'x'", "number"),
    "another zone": ("time_zone = 'UTC'", "time_zone"),
    "another start": ("starts_at = made_at", "starts_at"),
    "another end": ("ends_at = made_at", "ends_at"),
    "another time of issue": ("issued_at = starts_at", "issued_at"),
    "somebody else": ("issued_by = 'other'", "issued_by"),
    "when it was made": ("made_at = starts_at", "made_at"),
    "back to a draft": ("status = 'DRAFT', number = '', issued_at = NULL", "status"),
}
BY_SQL = {
    "a line is gone": (
        ["DELETE FROM billing_statementline WHERE id = {line}"],
        "billing_statementline of statement {statement}, place {place}: ",
    ),
    "a line more": ([LINE_COPY], "billing_statementline {next_line}: "),
    "a statement is gone with its lines": (
        [
            "DELETE FROM billing_statementline WHERE statement_id = {statement}",
            "DELETE FROM billing_statement WHERE id = {statement}",
        ],
        "billing_statement {statement}: ",
    ),
    "a statement is gone without them": (
        ["DELETE FROM billing_statement WHERE id = {statement}"],
        "billing_statementline {line} statement_id: ",
    ),
    "all are gone": (["DELETE FROM billing_statementline", "DELETE FROM billing_statement"], STATEMENT + ": "),
    "a statement more": ([COPY], "billing_statement {next_statement}: "),
    "less of all, and it adds up": (
        [
            "UPDATE billing_statementline SET device_ms = 0, reserved_ms = 0, amount = 0",
            "UPDATE billing_statement SET device_ms = 0, total = 0",
        ],
        LINE + " amount: ",
    ),
    "its event is gone": (["DELETE FROM events_event WHERE subject = 'statement/{statement}'"], STATEMENT + ": "),
    "its event tells of another": (
        ["UPDATE events_event SET subject = 'statement/{draft}' WHERE subject = 'statement/{statement}'"],
        STATEMENT + ": ",
    ),
    "its event says nothing": (
        ["UPDATE events_event SET request = '[]' WHERE subject = 'statement/{statement}'"],
        "events_event {event} request: ",
    ),
    "its event says a total that is none": (
        ["UPDATE events_event SET request = '{{\"total\": [1]}}' WHERE subject = 'statement/{statement}'"],
        "events_event {event} request: ",
    ),
    "its event says half of it": (
        ["UPDATE events_event SET request = '{{\"statement\": 5}}' WHERE subject = 'statement/{statement}'"],
        "events_event {event} request: ",
    ),
    "the event of a price says something else": (
        ["UPDATE events_event SET request = '{{\"amount\": \"x\"}}' WHERE subject = 'price/{used}'"],
        "billing_price {used} amount: ",
    ),
    "its event is there twice": (
        [
            "INSERT INTO events_event (action, subject, token_id, request, response, actor, referer_protocol,"
            " referer_ip, event_time) SELECT action, subject, token_id, request, response, actor, referer_protocol,"
            " referer_ip, event_time FROM events_event WHERE subject = 'statement/{statement}'"
        ],
        "events_event {next_event}: ",
    ),
    "the amount of a price": (["UPDATE billing_price SET amount = 1 WHERE id = {used}"], "billing_price {used} amount"),
    "the amount of a price and of all that was billed": (
        [
            "UPDATE billing_price SET amount = 0",
            "UPDATE billing_statementline SET unit_price = 0, amount = 0",
            "UPDATE billing_statement SET total = 0",
        ],
        STATEMENT + " total: ",
    ),
    "the start of a price": (
        ["UPDATE billing_price SET valid_from = '2025-01-01' WHERE id = {unused}"],
        "billing_price {unused} valid_from: ",
    ),
    "the end of a price": (
        ["UPDATE billing_price SET valid_until = '2025-08-01' WHERE id = {unused}"],
        "billing_price {unused} valid_until: ",
    ),
    "what a price is of": (
        ["UPDATE billing_price SET device_model = 'other' WHERE id = {unused}"],
        "billing_price {unused} device_model: ",
    ),
    "a price is gone": (["DELETE FROM billing_price WHERE id = {unused}"], "billing_price {unused}: "),
    "a price more": (
        ["INSERT INTO billing_price (device_model, amount, valid_from) VALUES ('more', 1, '2025-01-01')"],
        "billing_price {next_price}: ",
    ),
    "a larger budget": (["UPDATE billing_budget SET amount = 9"], "billing_budget {budget} amount: "),
    "a budget of another token": (
        ["UPDATE billing_budget SET token_id = {stranger}"],
        "billing_budget {budget} token_id: ",
    ),
    "a budget that stops nothing": (["UPDATE billing_budget SET stops = false"], "billing_budget {budget} stops: "),
    "a budget is gone": (["DELETE FROM billing_budget"], "billing_budget {budget}: "),
}
TAMPERINGS = {
    **{name: ([f"UPDATE billing_statementline SET {what} WHERE id = {{line}}"], f"{LINE} {column}: ")  # noqa: S608
       for name, (what, column) in OF_A_LINE.items()},
    **{name: ([f"UPDATE billing_statement SET {what} WHERE id = {{statement}}"],  # noqa: S608
              f"{STATEMENT} {column}: ")
       for name, (what, column) in OF_A_STATEMENT.items()},
    **BY_SQL,
}  # fmt: skip

ON_POSTGRESQL = {
    "billing_statement": (
        "month = 'infinity'",
        "month = '0044-01-01 BC'",
        "starts_at = '-infinity'",
        "made_at = '20000-01-01'",
    ),
    "billing_price": ("valid_until = 'infinity'",),
}
ON_SQLITE = {
    "billing_statement": (
        *("total = 'x'", "total = 9e999", "total = -1e30", "device_ms = x'00'", "device_ms = 1.5"),
        *("month = '2025-13-01'", "month = '0000-01-01'", "made_at = 'soon'", "made_at = 'now'", "starts_at = 5"),
        *("month = '2025-02-30'", "made_at = '2025-02-30 00:00:00'", "total = total + 0.0001"),
        *("customer = x'ff'", "customer = CAST(x'ff' AS TEXT)"),
    ),
    "billing_statementline": (
        *("amount = 'x'", "amount = -9e999", "unit_price = ''", "unit_price = 1e300", "preparing_ms = 'one'"),
        *(
            "device_ms = 9e999",
            "device_ms = 9223372036854775807",
            "device_model = CAST(x'ff' AS TEXT)",
            "price_id = 'x'",
        ),
    ),
    "billing_price": (
        "amount = 'x'",
        "amount = 1e300",
        "valid_from = ''",
        "valid_from = '0000-01-01'",
        "amount = 0.0000001",
    ),
    "billing_budget": (
        "warned_in = '2025-02-30'",
        "amount = 'x'",
        "amount = 9e999",
        "stops = 2",
        "kind = CAST(x'ff' AS TEXT)",
    ),
    "events_event": ("subject = CAST(x'ff' AS TEXT)", "subject = x'ff'"),
}
