"""The settings: one file per concern, every value read from the environment by `env`; see docs/settings.md."""

from .core import *
from .security import *
from .oidc import *
from .database import *
from .broker import *
from .beat import *
from .rest import *
from .polling import *
from .openapi import *
from .admin import *
from .console import *
from .mail import *
from .logging import *
from .metrics import *
from .grpc import *
from .scheduler import *
from .selfcheck import *
from .power import *
from .remediation import *
from .outbox import *
from .billing import *
from .up import *
from .misspelt import MOREH_UNKNOWN as MOREH_UNKNOWN
