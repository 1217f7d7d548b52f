"""What the vendors' tools print, and the readings of it."""

import json

from clients.agent.devices import DeviceReading

AMD_STATIC = json.dumps(
    [
        {"gpu": 0, "asic": {"market_name": "AMD Instinct MI250", "vendor_id": "0x1002"}},
        {"gpu": 1, "asic": {"market_name": "AMD Instinct MI250", "vendor_id": "0x1002"}},
    ]
)
AMD_METRIC = [
    {
        "gpu": 1,
        "usage": {"gfx_activity": {"value": 97, "unit": "%"}, "umc_activity": {"value": 12, "unit": "%"}},
        "power": {"socket_power": {"value": 412, "unit": "W"}, "gfx_voltage": "N/A"},
        "temperature": {
            "edge": "N/A",
            "hotspot": {"value": 71, "unit": "C"},
            "mem": {"value": 65, "unit": "C"},
        },
        "mem_usage": {
            "total_vram": {"value": 65520, "unit": "MB"},
            "used_vram": {"value": 16380, "unit": "MB"},
        },
    },
    {
        "gpu": 0,
        "usage": "N/A",
        "power": {"socket_power": "N/A"},
        "temperature": {"edge": {"value": 35, "unit": "C"}, "hotspot": "N/A", "mem": "N/A"},
        "mem_usage": {"total_vram": {"value": 65520, "unit": "MB"}, "used_vram": {"value": 10, "unit": "MB"}},
    },
]
AMD_READ = [
    DeviceReading(0, "AMD Instinct MI250", 65520, 10, 35.0, None, None, 1000 / 65520, None),
    DeviceReading(1, "AMD Instinct MI250", 65520, 16380, 71.0, 65.0, 97.0, 25.0, 412.0),
]
ROCM = json.dumps(
    {
        "card1": {
            "Temperature (Sensor edge) (C)": "33.0",
            "Average Graphics Package Power (W)": "88.0",
            "GPU use (%)": "0",
            "VRAM Total Memory (B)": "68702699520",
            "VRAM Total Used Memory (B)": "10960896",
            "Card series": "AMD INSTINCT MI250 (MCM) OAM AC MBA",
        },
        "card0": {
            "Temperature (Sensor edge) (C)": "35.0",
            "Temperature (Sensor junction) (C)": "41.0",
            "Temperature (Sensor memory) (C)": "38.0",
            "Current Socket Graphics Package Power (W)": "N/A",
            "GPU use (%)": "100",
            "VRAM Total Memory (B)": "68702699520",
            "VRAM Total Used Memory (B)": "34351349760",
            "Card Series": "AMD Instinct MI250",
        },
        "system": {"Driver version": "6.2.4"},
    }
)
NVIDIA = """\
0, NVIDIA A100-SXM4-80GB, 81920, 20480, 45, 52, 100, 37, 251.33
1, NVIDIA A100-SXM4-80GB, 81920, 3, 30, [N/A], 0, 0, [Not Supported]
"""

GOOD_H100 = "0, NVIDIA H100 80GB HBM3, 81559, 0, 31, 40, 0, 0, 70.00\n"
H100 = DeviceReading(0, "NVIDIA H100 80GB HBM3", 81559, 0, 31.0, 40.0, 0.0, 0.0, 70.0)
ROCM_OTHERS = json.dumps(
    {
        "card0": {
            "Temperature (Sensor edge) (C)": "33.0",
            "Temperature (Sensor junction) (C)": "N/A",
            "Current Socket Graphics Package Power (W)": "N/A",
            "Average Graphics Package Power (W)": "44.0",
            "GPU use (%)": "5",
            "VRAM Total Memory (B)": "68702699520",
            "VRAM Total Used Memory (B)": "N/A",
            "Card Series": "N/A",
            "Device Name": "Instinct MI210",
        },
    }
)
