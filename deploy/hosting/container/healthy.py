"""Exits with 0 while a service or a follower works, for health checks of containers, which have neither curl nor wget.

    python healthy.py http://127.0.0.1:8420/healthz          regionlake serve
    python healthy.py https://127.0.0.1:8420/healthz         the same with TLS; its certificate has another name
    python healthy.py http://127.0.0.1:9100/metrics          regionlake ingest --follow --metrics-port 9100
    python healthy.py http://127.0.0.1:52365/api/local_raylet_healthz      a node of a Ray cluster

A follower works while its status is younger than 30 s, by the clock that wrote it.
"""

import re
import ssl
import sys
import time
import urllib.request
from urllib.error import URLError

TIMEOUT_S = 8.0
OLDEST_S = 30.0
_STATUS = re.compile(r"^regionlake_follower_status_time_seconds (\S+)$", re.MULTILINE)


def trouble(url: str, *, now_s: float) -> str | None:
    """What is wrong with the service at this address, or None. now_s: seconds since 1970."""
    anybody = ssl.create_default_context()  # it asks this machine alone whether somebody answers
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.ProxyHandler({})
    opener = urllib.request.build_opener(direct, urllib.request.HTTPSHandler(context=anybody))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (URLError, OSError, ValueError) as error:
        return f"{url}: {error}"
    if not url.endswith("/metrics"):
        return None
    found = _STATUS.search(text)
    if found is None:
        return f"{url}: the follower has not reported yet"
    age_s = now_s - float(found[1])
    return f"{url}: the status of the follower is {age_s:.0f} s old" if age_s > OLDEST_S else None


if __name__ == "__main__":
    wrong = trouble(sys.argv[1], now_s=time.time())
    if wrong is not None:
        sys.exit(wrong)
