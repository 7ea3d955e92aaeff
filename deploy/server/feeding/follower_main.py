"""`python -m deploy.server.feeding.follower_main …`: `regionlake ingest --follow`, ended when its parent dies."""

import signal
import sys

from operators.sandbox.kernel import end_with_parent

if __name__ == "__main__":
    # SIGTERM: it commits what it received; the next follower would otherwise wait for its lease
    end_with_parent(signal.SIGTERM)
    sys.argv = ["regionlake", "ingest", "--follow", *sys.argv[1:]]
    from deploy.cli.main import main

    main()
