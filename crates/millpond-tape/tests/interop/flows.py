"""What mitmproxy makes of flow files.

flows.py describe FILE...    a list of the flows of each file as mitmproxy loads them, as JSON on standard output
flows.py samples FILE        writes flows of every type with mitmproxy's own code
flows.py version             the version of mitmproxy and of the flows it writes

In JSON, bytes are "b:" and a character each, and floats "f:" and their digits: neither loses anything.
"""

import json
import sys

from mitmproxy import io, version
from mitmproxy.test import tflow


def plain(value):
    if isinstance(value, bytes):
        return "b:" + value.decode("latin-1")
    if isinstance(value, float):
        return "f:" + repr(value)
    if isinstance(value, dict):
        return {key: plain(timed(key, member)) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value


def timed(key, value):
    """Times are floats, also where a whole number was given."""
    return float(value) if key.startswith("timestamp") and isinstance(value, int) else value


def described(flow):
    """Its state as it would be saved, without what says how that is done."""
    state = flow.get_state()
    del state["version"], state["backup"]
    if websocket := state.get("websocket"):
        websocket["messages"] = [(*one[:3], float(one[3]), *one[4:]) for one in websocket["messages"]]
    return plain(state)


def samples():
    yield tflow.tflow()
    yield tflow.tflow(resp=True)
    yield tflow.tflow(err=True)
    if hasattr(tflow, "ttcpflow"):
        yield tflow.ttcpflow()
    if hasattr(tflow, "tudpflow"):
        yield tflow.tudpflow()
    if hasattr(tflow, "tdnsflow"):
        yield tflow.tdnsflow(resp=True)
    yield tflow.twebsocketflow()
    last = tflow.tflow(resp=True)
    last.metadata = {"text": "é", "number": 2**40, "half": 0.5, "none": None, "list": [True, {"a": []}]}
    last.marked, last.comment, last.is_replay = ":grapes:", "a comment: ü", "response"
    last.request.content, last.response.content = None, b""
    yield last


def load(path):
    with open(path, "rb") as file:
        return [described(flow) for flow in io.FlowReader(file).stream()]


def main(what, *paths):
    if what == "version":
        print(version.VERSION, version.FLOW_FORMAT_VERSION)
    elif what == "describe":
        json.dump([load(path) for path in paths], sys.stdout)
    elif what == "samples":
        with open(paths[0], "wb") as file:
            writer = io.FlowWriter(file)
            for flow in samples():
                writer.add(flow)


main(*sys.argv[1:])
