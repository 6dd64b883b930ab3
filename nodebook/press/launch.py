"""``python -m nodebook.press.launch``: a kernel that ends with the process that started it."""

import os
import sys
from pathlib import Path

from nodebook import tether

if __name__ == "__main__":
    if sys.path[0] in ("", str(Path.cwd())):
        del sys.path[0]  # what lies beside the notebook is no package of the chapter's
    tether.tie(int(os.environ["JPY_PARENT_PID"]))  # set by jupyter_client
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
