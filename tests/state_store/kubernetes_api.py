#!/usr/bin/env python3
"""A strict little Kubernetes API server for the tests: Leases, ConfigMaps, Deployments with their scale subresource,
Pods and Jobs over HTTPS, a bearer token, unknown fields refused, optimistic concurrency by resourceVersion, rights by
the rules of a Role, owned objects deleted with their owner. Behind it a controller that runs the pods of Deployments as
processes. Arguments: certificate, key, token. Prints "listening on 127.0.0.1:PORT".

For tests alone: POST /test/fail {"status": 429, "times": 3, "method": "PUT", "after": false} makes the next requests
fail, with "after" once they were carried out; /test/role [rules]; /test/job {"name", "uid"}; /test/deployment {"name",
"replicas", "command"}; GET /test/pods and /test/objects."""

import base64
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

TOKEN = sys.argv[3]
OWNERS = {"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool, "blockOwnerDeletion": bool}
METADATA = {"name": str, "namespace": str, "resourceVersion": str, "labels": dict,
            "annotations": dict, "uid": str, "ownerReferences": [OWNERS]}
KINDS = {
    "leases": ("coordination.k8s.io/v1", "Lease", {"spec": {
        "holderIdentity": str, "leaseDurationSeconds": int, "acquireTime": str, "renewTime": str,
        "leaseTransitions": int}}),
    "configmaps": ("v1", "ConfigMap", {"data": dict, "binaryData": dict}),
    "deployments": ("apps/v1", "Deployment", {"spec": {"replicas": int}}),
    "deployments/scale": ("autoscaling/v1", "Scale", {"spec": {"replicas": int}}),
    "pods": ("v1", "Pod", {}),
    "jobs": ("batch/v1", "Job", {"spec": {"backoffLimit": int}}),
}
PATH = re.compile(r"/(?:api/(?P<core>v1)|apis/(?P<group>[a-z0-9.]+/v1))/namespaces/training/"
                  r"(?P<kind>[a-z]+)(?:/(?P<name>[a-z0-9.-]+)(?P<sub>/[a-z]+)?)?")
VERBS = {"GET": "get", "PUT": "update", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
COST = "controller.kubernetes.io/pod-deletion-cost"
lock = threading.Lock()
store, failures, pods = {}, [], {}
rules = None  # of the account; without any it may do everything, as the administrator does
version = 100


class Refused(Exception):
    def __init__(self, code, message, headers=None):
        self.code, self.message, self.headers = code, message, headers or {}


def check(given, fields, where):
    if not isinstance(given, dict):
        raise Refused(400, f"json: cannot unmarshal into field {where}")
    for name, value in given.items():
        if name not in fields:
            raise Refused(400, f"strict decoding error: unknown field \"{where}{name}\"")
        wanted = fields[name]
        if isinstance(wanted, dict):
            check(value, wanted, f"{where}{name}.")
        elif isinstance(wanted, list):
            for item in value:
                check(item, wanted[0], f"{where}{name}[].")
        elif not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise Refused(400, f"json: cannot unmarshal into field {where}{name}")


def check_values(given, name):
    for text in given.get("binaryData", {}).values():
        if len(base64.b64decode(text, validate=True)) > 1 << 20:
            raise Refused(422, "Too long: must have at most 1048576 bytes")
    if "renewTime" in given.get("spec", {}) and not MICRO_TIME.fullmatch(given["spec"]["renewTime"]):
        raise Refused(400, "parsing time")
    cost = given.get("metadata", {}).get("annotations", {}).get(COST, "0")
    if not isinstance(cost, str) or not re.fullmatch(r"-?\d{1,9}", cost):
        raise Refused(422, "must be a 32bit integer")
    if given.get("spec", {}).get("replicas", 0) < 0:
        raise Refused(422, "must be greater than or equal to 0")


def merged(target, patch):
    result = dict(target)
    for name, value in patch.items():
        result[name] = merged(result.get(name, {}), value) if isinstance(value, dict) else value
    return result


def put(kind, name, given):
    global version
    version += 1
    given["metadata"]["resourceVersion"] = str(version)
    given["metadata"]["namespace"] = "training"
    store[kind, name] = given
    return given


def may(group, resource, verb, name):
    return any(group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
               and name in rule.get("resourceNames", [name]) for rule in rules)


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

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any

    def answer(self, body):
        told = self.headers.get("Authorization")
        if told not in (f"Bearer {TOKEN}", f"Bearer {TOKEN}-of-the-administrator"):
            raise Refused(401, "Unauthorized")
        self.limited = told == f"Bearer {TOKEN}" and rules is not None
        with lock:
            if self.path.startswith("/test/"):
                return 200, self.test(self.path[6:], body)
            failure = next((f for f in failures if f["method"] == self.command and f.get("path", "") in self.path), None)
            if failure:
                failures.remove(failure)
            if failure and not failure.get("after"):
                raise Refused(failure["status"], "told to", {"Retry-After": "0"})
            result = self.carry_out(body)
            if failure:
                raise Refused(failure["status"], "told to", {"Retry-After": "0"})
            return result

    def test(self, what, body):
        global rules
        wish = json.loads(body) if body else {}
        if what == "fail":
            failures.extend([wish] * wish["times"])
        elif what == "role":
            rules = wish
        elif what == "job":
            put("jobs", wish["name"], {"metadata": {"name": wish["name"], "uid": wish["uid"]},
                                       "spec": {"backoffLimit": 6}})
        elif what == "deployment":
            commands[wish["name"]] = wish["command"]
            put("deployments", wish["name"], {"metadata": {"name": wish["name"]},
                                              "spec": {"replicas": wish["replicas"]}})
        elif what == "pods":
            return {"pods": [pod.shown() for pod in pods.values()]}
        elif what == "objects":
            return {"objects": [f"{kind}/{name}" for kind, name in store]}
        return {}

    def carry_out(self, body):
        match = PATH.fullmatch(self.path)
        kind = match and match["kind"] + (match["sub"] or "")
        if not match or kind not in KINDS:
            raise Refused(404, "the server could not find the requested resource")
        api, type_name, fields = KINDS[kind]
        group = match["group"] or match["core"]
        home = KINDS[match["kind"]][0]
        if group != home:
            raise Refused(404, "the server could not find the requested resource")
        name, verb = match["name"], VERBS[self.command]
        if self.limited and not may(home.rpartition("/")[0], kind, verb, name):
            raise Refused(403, f"{kind} is forbidden: User cannot {verb} resource \"{name}\"")
        key = match["kind"], name
        if name is not None and key not in store:
            raise Refused(404, f"{kind} \"{name}\" not found")
        if self.command == "GET":
            return 200, self.shown(kind, store[key])
        if self.command == "DELETE":
            return 200, self.delete(key)
        patches = self.command == "PATCH"
        wanted_type = "application/merge-patch+json" if patches else "application/json"
        if self.headers.get("Content-Type") != wanted_type:
            raise Refused(415, "the body of the request was in an unknown format")
        given = json.loads(body)
        check(given, {"apiVersion": str, "kind": str, "metadata": METADATA, **fields}, "")
        check_values(given, name)
        if patches:
            told = given.get("metadata", {}).pop("resourceVersion", None)
            if told not in (None, store[key]["metadata"]["resourceVersion"]):
                raise Refused(409, "the object has been modified")
            return 200, self.shown(kind, put(*key, merged(store[key], given)))
        if kind.endswith("/scale") or (given.get("apiVersion"), given.get("kind")) != (api, type_name):
            raise Refused(400, "the object provided is unrecognized")
        key = kind, given["metadata"]["name"]
        if self.command == "POST":
            if name is not None or "resourceVersion" in given["metadata"]:
                raise Refused(400, "resourceVersion should not be set on objects to be created")
            if key in store:
                raise Refused(409, f"{kind} \"{key[1]}\" already exists")
        else:
            if name != key[1]:
                raise Refused(400, "the name of the object does not match the name on the URL")
            # Without a version a PUT overwrites whatever is there; nothing here should do so.
            if given["metadata"].get("resourceVersion") != store[key]["metadata"]["resourceVersion"]:
                raise Refused(409, "the object has been modified; please apply your changes to the "
                                   "latest version and try again")
        return (201 if self.command == "POST" else 200), put(*key, given)

    @staticmethod
    def shown(kind, thing):
        if not kind.endswith("/scale"):
            return thing
        there = sum(pod.owner == thing["metadata"]["name"] and not pod.leaves for pod in pods.values())
        return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": thing["metadata"],
                "spec": thing["spec"], "status": {"replicas": there}}

    @staticmethod
    def delete(key):
        uid = store.pop(key)["metadata"].get("uid")
        for other, thing in list(store.items()):
            if any(owner["uid"] == uid for owner in thing["metadata"].get("ownerReferences", [])):
                del store[other]
        return {"kind": "Status", "status": "Success"}


class Pod:
    """A process that is started again when it ends, until the pod is deleted."""

    numbers = 0

    def __init__(self, owner):
        Pod.numbers += 1
        self.owner, self.number, self.leaves, self.restarts = owner, Pod.numbers, None, 0
        self.name = f"{owner}-{self.number:05}"
        put("pods", self.name, {"metadata": {"name": self.name}})
        self.start()

    def start(self):
        self.again_at = None
        self.process = subprocess.Popen(commands[self.owner], env={**os.environ, "POD_NAME": self.name})

    def cost(self):
        return int(store["pods", self.name]["metadata"].get("annotations", {}).get(COST, "0"))

    def shown(self):
        return {"name": self.name, "owner": self.owner, "pid": self.process.pid, "cost": self.cost(),
                "terminating": self.leaves is not None, "restarts": self.restarts}

    def step(self):
        """False once it is gone."""
        ended = self.process.poll() is not None
        if self.leaves is not None:
            if not ended and time.monotonic() - self.leaves > 30:
                self.process.kill()
            return not ended
        if ended and self.again_at is None:
            self.again_at = time.monotonic() + 0.3
        elif ended and time.monotonic() > self.again_at:
            self.restarts += 1
            self.start()
        return True


commands = {}


def reconcile():
    for pod in list(pods.values()):
        if not pod.step():
            del pods[pod.name], store["pods", pod.name]
    for (kind, name), thing in list(store.items()):
        if kind != "deployments":
            continue
        # As a ReplicaSet does among pods that are ready: the cheapest first, then the newest.
        mine = sorted((pod for pod in pods.values() if pod.owner == name and pod.leaves is None),
                      key=lambda pod: (pod.cost(), -pod.number))
        wanted = thing["spec"]["replicas"]
        for pod in mine[:max(0, len(mine) - wanted)]:
            pod.leaves = time.monotonic()
            pod.process.send_signal(signal.SIGTERM)
        for _ in range(wanted - len(mine)):
            pod = Pod(name)
            pods[pod.name] = pod


def control():
    while True:
        with lock:
            reconcile()
        time.sleep(0.02)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=control, daemon=True).start()
print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
