"""The descriptions of SDAs, their models and groups in the API schema: fields, failures, tags."""

from core.api.description.words import describe

describe(
    words={
        "backendGroup": ("The backend group that serves it.", None),
        "childId": ("The id of an SDA model group.", 1),
        "current": ("Whether it is the one that the token's programs use.", True),
        "gpuPower": ("W, of all together.", 312.5),
        "SDAModel.group": ("The first of its groups.", None),
        "groupId": ("The id of the group that serves it.", 1),
        "groups": ("Its groups.", None),
        "NewSdaRequest.model": ("The id of an SDA model.", 1),
        "SdaChangeRequest.model": ("The id of an SDA model.", 1),
        "modelId": ("The id of its SDA model.", 1),
        "NewModelRequest.name": ("The name, unique among models.", "Large.4"),
        "numDevices": ("How many devices it has.", 4),
        "open": ("Whether every token may use it.", True),
        "parentId": ("The id of a user group.", 1),
        "pid": ("The process id.", 4711),
        "ptype": ("The type of the process.", "C"),
        "reserved": ("Whether it holds its devices all the time.", False),
        "sda": ("The SDA.", None),
        "sdaid": ("Only this SDA leaves the group.", 7),
        "sdamodel": ("The id of an SDA model.", 1),
        "sdamodelgroups": ("The SDA model groups whose models its tokens may use.", None),
        "sdamodelName": ("The name of its SDA model.", "Large.4"),
        "sdamodels": ("Its SDA models.", None),
        "NewSdaModelGroupRequest.sdamodels": ("The ids of exactly the models that are in it.", [1]),
        "SdaModelGroupChangeRequest.sdamodels": ("The ids of exactly the models that are in it.", [1]),
        "sdautils": ("The use of its SDA.", None),
    },
    failures={
        "MODEL_NOT_ALLOWED": ("The token may not use this model.", {"model": 1}),
        "SDA_IN_USE": ("A job uses the SDA.", {"sda": 7}),
        "MODEL_IN_USE": ("SDAs have this model.", {"model": 1}),
        "MAX_SDA_REACHED": ("The token owns as many SDAs as it may.", {"maxSdaCount": 4}),
    },
    tags={
        "membership": "Which user groups may use which SDA model groups.",
        "sda": "Tokens' accelerators.",
        "sdamodel": "Models of accelerators and their groups.",
    },
)
