"""`python -m helpdesk_api` and the `helpdesk` command: everything is imported, then `cli` takes over.

What is imported lives as long as the process. Looking for garbage in it meanwhile took a quarter of the time that a
command needs to start, and each full collection later walks it again unless it is frozen.
"""

import gc

gc.disable()

from helpdesk_api.cli import main  # noqa: E402 - imported without collections, which is what this file is about.

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
