"""Numbers, times and ids at their edges, as texts: what an address, a form, a file or a command line can hold."""

NUMBERS = (
    *("1e999", "NaN", "Infinity", "-1", "0", str(2**31), str(2**63), str(2**64), "9" * 25, "abc", "\xb2", "\u0661"),
    *("1.5", "1_0", "", " "),
)
TIMES = (
    *("0001-01-01", "0001-01-01T00:00:00", "9999-12-31", "9999-12-31T23:59:59", "9999-12-31T23:59:59-23:59"),
    *("1987-05-10T02:30", "1988-10-09T02:30", "2026-99-99", "2026-13", "0001-01", "9999-12"),
)
EDGES = (*NUMBERS, *TIMES)
