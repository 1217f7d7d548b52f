"""Descriptions of the fields and parameters of usage in REST."""

from core.api.description.words import AT, describe

describe(
    words={
        "average": ("Devices held at once, on average over time.", 2.5),
        "average_percentage": ("The average as a share of all devices, in percent.", 31.25),
        "cleaning_seconds": ("Devices times seconds from the end of allocations until they were free again.", 12.5),
        "device_seconds": ("Device-time: devices times seconds, exact to the millisecond.", 9000.25),
        "end": ("Its end.", AT),
        "endtime": ("The end of the range, cut to now.", "2026-11-24T00:00:00Z"),
        "group_by": ("By what usage is grouped.", "sdaModel"),
        "Usage.groups": ("The same by group.", None),
        "IntervalUse.groups": ("The same by group.", None),
        "interval": ("Cut the range at the hours, days or months of the installation's time zone.", "day"),
        "intervals": ("The same by interval, in the order of time.", None),
        "max": ("The most devices held at once.", 4),
        "max_percentage": ("The most as a share of all devices, in percent.", 50.0),
        "min": ("The fewest devices held at once.", 1),
        "min_percentage": ("The fewest as a share of all devices, in percent.", 12.5),
        "not_billed": ("Unbilled time: jobs that waited, devices that were cleaned.", None),
        "preparing_seconds": ("Of the device-seconds: workers were being prepared.", 12.0),
        "processing_seconds": ("Of the device-seconds: the program ran.", 3588.0),
        "reserved_seconds": ("Of the device-seconds: held by a reserved SDA.", 0.0),
        "start": ("Its start.", AT),
        "starttime": ("The start of the range.", "2026-11-23T00:00:00Z"),
        "Unbilled.tokens": ("One entry per token that has any; with `group_by=token`.", None),
        "total_devices": ("The number of devices now.", 8),
        "total_usage": ("The sum over all tokens.", None),
        "usage_list": ("One entry per token.", None),
        "waiting_jobs": ("How many jobs waited.", 3),
        "waiting_seconds": ("Devices asked for times seconds, from the request of jobs until they got them.", 480.0),
    },
    tags={
        "usage": "Measured use of devices.",
    },
)
