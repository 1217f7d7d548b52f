import sys

from moreh_cloud.supervisor.site import parse
from moreh_cloud.supervisor.up import up

sys.exit(up(parse(sys.argv[1:]), sys.stdin.read()))
