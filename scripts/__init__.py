"""The demo, the benches and the set-up; only a checkout has them."""

# Sets up the process as for every command, also where a bench is started by ``python -m``.
from lstmith import cli as cli
