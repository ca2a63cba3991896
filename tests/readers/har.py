"""Reads an HTTP Archive with haralyzer and prints what it found there, as JSON."""

import json
import sys

from haralyzer import HarParser

archive = HarParser.from_file(sys.argv[1])
pages = []
for page in archive.pages:
    entries = []
    for entry in page.entries:
        entries.append(
            {
                "method": entry.request.method,
                "url": entry.request.url,
                "request_version": entry.request.httpVersion,
                "status": entry.response.status,
                "response_version": entry.response.httpVersion,
                "transferred": entry.response["_transferSize"],
                "server": entry.serverAddress,
                # A date that it understood, with its time zone.
                "started_unix_ns": round(entry.startTime.timestamp() * 1e6) * 1000,
                "time_ms": entry.time,
                "timings": entry.timings,
            }
        )
    pages.append({"id": page.page_id, "title": page.title, "entries": entries})
print(json.dumps({"version": archive.version, "creator": archive.creator["name"], "pages": pages}))
