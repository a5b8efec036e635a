"""The virtual radio: boards and hosts meet on it as on the air, controllers and all.

    with air.start() as path:                                  # a hub, in a process of its own
        with launch.start("calm", real_time=True, air=path):   # a board that hears and is heard
            BleakScanner(backend=AirScanner), air.Faults(path).lose("host", after=10), ...

`hub` is the process, `medium` what lies between its controllers, `bleak_backend` a host's side.
This file imports neither Bumble nor bleak.
"""

from simboard.air.faults import Faults
from simboard.air.process import start

__all__ = ["Faults", "start"]
