#!/usr/bin/env python3
"""A strict little Kubernetes API server for the tests: Leases and ConfigMaps over HTTPS, a bearer token,
unknown fields refused, optimistic concurrency by resourceVersion. Arguments: certificate, key, token.
POST /test/fail {"status": 429, "times": 3, "method": "PUT", "after": false} makes the next requests fail,
with "after" once they were carried out. Prints "listening on 127.0.0.1:PORT"."""

import base64
import http.server
import json
import re
import ssl
import sys
import threading

TOKEN = sys.argv[3]
METADATA = {"name": str, "namespace": str, "resourceVersion": str, "labels": dict,
            "annotations": dict, "uid": str}
KINDS = {
    "leases": ("coordination.k8s.io/v1", "Lease", {"spec": {
        "holderIdentity": str, "leaseDurationSeconds": int, "acquireTime": str, "renewTime": str,
        "leaseTransitions": int}}),
    "configmaps": ("v1", "ConfigMap", {"data": dict, "binaryData": dict}),
}
PATH = re.compile(r"/(?:api/v1|apis/coordination\.k8s\.io/v1)/namespaces/training/"
                  r"(leases|configmaps)(?:/([a-z0-9.-]+))?")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
lock = threading.Lock()
store, failures = {}, []
version = 100


class Refused(Exception):
    def __init__(self, code, message, headers=None):
        self.code, self.message, self.headers = code, message, headers or {}


def check(given, fields, where):
    for name, value in given.items():
        if name not in fields:
            raise Refused(400, f"strict decoding error: unknown field \"{where}{name}\"")
        wanted = fields[name]
        if isinstance(wanted, dict):
            check(value, wanted, f"{where}{name}.")
        elif not isinstance(value, wanted) or isinstance(value, bool):
            raise Refused(400, f"json: cannot unmarshal into field {where}{name}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {}
        try:
            code, answer = self.answer(body)
        except Refused as refused:
            code, headers = refused.code, refused.headers
            answer = {"kind": "Status", "status": "Failure", "message": refused.message, "code": code}
        text = json.dumps(answer).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any

    def answer(self, body):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized")
        with lock:
            if self.path == "/test/fail":
                wish = json.loads(body)
                failures.extend([wish] * wish["times"])
                return 200, {}
            failure = next((f for f in failures if f["method"] == self.command), None)
            if failure:
                failures.remove(failure)
            if failure and not failure.get("after"):
                raise Refused(failure["status"], "told to", {"Retry-After": "0"})
            result = self.carry_out(body)
            if failure:
                raise Refused(failure["status"], "told to", {"Retry-After": "0"})
            return result

    def carry_out(self, body):
        global version
        match = PATH.fullmatch(self.path)
        if not match:
            raise Refused(404, "the server could not find the requested resource")
        kind, name = match.groups()
        if self.command == "GET":
            if (kind, name) not in store:
                raise Refused(404, f"{kind} \"{name}\" not found")
            return 200, store[kind, name]
        if self.headers.get("Content-Type") != "application/json":
            raise Refused(415, "the body of the request was in an unknown format")
        given = json.loads(body)
        api, type_name, fields = KINDS[kind]
        check(given, {"apiVersion": str, "kind": str, "metadata": METADATA, **fields}, "")
        if (given.get("apiVersion"), given.get("kind")) != (api, type_name):
            raise Refused(400, "the object provided is unrecognized")
        for text in given.get("binaryData", {}).values():
            if len(base64.b64decode(text, validate=True)) > 1 << 20:
                raise Refused(422, "Too long: must have at most 1048576 bytes")
        if "renewTime" in given.get("spec", {}) and not MICRO_TIME.fullmatch(given["spec"]["renewTime"]):
            raise Refused(400, "parsing time")
        key = kind, given["metadata"]["name"]
        if self.command == "POST":
            if name is not None or "resourceVersion" in given["metadata"]:
                raise Refused(400, "resourceVersion should not be set on objects to be created")
            if key in store:
                raise Refused(409, f"{kind} \"{key[1]}\" already exists")
        else:
            if name != key[1]:
                raise Refused(400, "the name of the object does not match the name on the URL")
            if key not in store:
                raise Refused(404, f"{kind} \"{name}\" not found")
            # Without a version a PUT overwrites whatever is there; nothing here should do so.
            if given["metadata"].get("resourceVersion") != store[key]["metadata"]["resourceVersion"]:
                raise Refused(409, "the object has been modified; please apply your changes to the "
                                   "latest version and try again")
        version += 1
        given["metadata"]["resourceVersion"] = str(version)
        given["metadata"]["namespace"] = "training"
        store[key] = given
        return (201 if self.command == "POST" else 200), given


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
