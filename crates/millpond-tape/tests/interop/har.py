"""HAR in and out of mitmproxy.

har.py import FILE           every flow as mitmproxy imports it from an archive, as JSON on standard output
har.py export FLOWS FILE     writes flows as an archive, as mitmproxy does
"""

import json
import sys

from mitmproxy import io
from mitmproxy.addons.savehar import SaveHar


def text(content):
    return None if content is None else content.decode("latin-1")


def imported(flow):
    request, response = flow.request, flow.response
    return {
        "method": request.method,
        "url": request.url,
        "version": request.http_version,
        "headers": [[text(name), text(value)] for name, value in request.headers.fields],
        "content": text(request.raw_content),
        "status": response.status_code,
        "response_version": response.http_version,
        "response_headers": [[text(name), text(value)] for name, value in response.headers.fields],
        # Some versions put the coding back on, with its field.
        "response_content": text(response.get_content(strict=False)),
        "started": request.timestamp_start,
    }


def flows(path):
    with open(path, "rb") as file:
        return list(io.FlowReader(file).stream())


def main(what, path, to=None):
    if what == "import":
        json.dump([imported(flow) for flow in flows(path)], sys.stdout)
    elif what == "export":
        http = [flow for flow in flows(path) if flow.type == "http"]
        with open(to, "w", encoding="utf-8") as file:
            json.dump(SaveHar().make_har(http), file, indent=1)


main(*sys.argv[1:])
