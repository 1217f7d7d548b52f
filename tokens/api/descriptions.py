"""The descriptions of tokens and user groups in the API schema: fields, failures, tags."""

from core.api.description.words import VALUE, describe

describe(
    words={
        "accessLevel": ("What the token's programs may do.", None),
        "env": (
            "Names and texts for the environment of the token's workers. Read-only operators see only the names. "
            "Empty in a token inside another object: GET /token returns it. Variables that no key decrypts are shown "
            "as one with the name and the text `…`, until others are set.",
            {"NCCL_DEBUG": "WARN"},
        ),
        "grouplist": ("The groups that it is in.", None),
        "PlainToken.grouplist": ("The names of the groups that it is in.", ["vision"]),
        "maxDuplicates": ("How many jobs may run at once on one SDA, each with devices of its own; 0: no limit.", 0),
        "maxSdaCount": ("How many SDAs the token may own.", 4),
        "targetSdaId": ("The id of the current SDA.", 7),
        "tokenId": ("The number of a token, as the console shows it; instead of its value.", 12),
        "GroupOfToken.tokenlist": ("The values of the tokens of the group.", [VALUE]),
        "tokens": ("The values of exactly the tokens that are in it.", [VALUE]),
        "value": ("The value with which programs authenticate; only `…` for one that no key decrypts.", VALUE),
    },
    failures={
        "TOKEN_HAS_SDA": ("The token still owns SDAs.", {"token": "Vision team"}),
        "BUDGET_SPENT": ("The budget of this month is spent.", {"kind": "MONEY", "limit": "40", "spent": "51"}),
    },
    tags={
        "token": "Customers' identities and their groups.",
    },
)
