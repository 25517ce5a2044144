#!/usr/bin/env python3
"""A strict little S3 server for the tests: one bucket in memory, Signature Version 4 verified from
Amazon's description and nothing of ours. Prints "listening on 127.0.0.1:PORT"."""

import datetime
import hashlib
import hmac
import http.server
import re
import sys
import urllib.parse

ACCESS, SECRET, REGION, BUCKET = "S3RVER", "S3RVER", "us-east-1", "models"
PAGE = 100  # keys of a list; Amazon's is 1,000
SMALLEST_PART = 5 << 20
objects, uploads = {}, {}


class Refused(Exception):
    def __init__(self, status, code):
        self.status, self.code = status, code


def quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.check_signature(body)
            status, headers, answer = self.answer(body)
        except Refused as refused:
            status, headers = refused.status, {}
            answer = f"<Error><Code>{refused.code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def check_signature(self, body):
        given = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
            r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})", self.headers.get("Authorization", ""))
        if not given:
            raise Refused(403, "AccessDenied")
        access, date, region, names, signature = given.groups()
        if access != ACCESS or region != REGION:
            raise Refused(403, "InvalidAccessKeyId")
        time = self.headers["x-amz-date"]
        then = datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ")
        if abs((datetime.datetime.utcnow() - then).total_seconds()) > 900 or time[:8] != date:
            raise Refused(403, "RequestTimeTooSkewed")
        names = names.split(";")
        amazon = {name.lower() for name in self.headers if name.lower().startswith("x-amz-")}
        if not amazon | {"host"} <= set(names) or names != sorted(names):
            raise Refused(403, "AccessDenied")
        payload = hashlib.sha256(body).hexdigest()
        if payload != self.headers["x-amz-content-sha256"]:
            raise Refused(400, "XAmzContentSHA256Mismatch")
        path, _, query = self.path.partition("?")
        pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
        canonical = "\n".join([
            self.command, quote(urllib.parse.unquote(path), "-_.~/"),
            "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs),
            *[f"{name}:{' '.join(self.headers[name].split())}" for name in names], "",
            ";".join(names), payload])
        scope = f"{date}/{region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", time, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in (date, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() != signature:
            raise Refused(403, "SignatureDoesNotMatch")

    def answer(self, body):
        path, _, text = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
        _, bucket, key = (urllib.parse.unquote(path) + "/").split("/", 2)
        key = key[:-1] if key.endswith("/") else key
        if bucket != BUCKET:
            raise Refused(404, "NoSuchBucket")
        if not key:
            return self.list(query)
        if "uploads" in query or "uploadId" in query:
            return self.multipart(key, query, body)
        if self.command == "PUT":
            objects[key] = body
            return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""
        if self.command == "DELETE":
            objects.pop(key, None)
            return 204, {}, b""
        if key not in objects:
            raise Refused(404, "NoSuchKey")
        content = objects[key]
        if self.command == "HEAD":
            return 200, {"Content-Length": str(len(content))}, b""
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not span:
            return 200, {}, content
        first, last = int(span[1]), int(span[2])
        if first >= len(content) or last < first:
            raise Refused(416, "InvalidRange")
        return 206, {}, content[first:last + 1]

    def list(self, query):
        if self.command != "GET" or query.get("list-type") != "2":
            raise Refused(400, "InvalidArgument")
        after = query.get("continuation-token", "")
        keys = sorted(k for k in objects if k.startswith(query.get("prefix", "")) and k > after)
        page = keys[:PAGE]
        text = f"<ListBucketResult><IsTruncated>{str(len(keys) > PAGE).lower()}</IsTruncated>"
        for key in page:
            text += f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size></Contents>"
        if len(keys) > PAGE:
            text += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        return 200, {}, (text + "</ListBucketResult>").encode()

    def multipart(self, key, query, body):
        if self.command == "POST" and "uploads" in query:
            name = f"upload&{len(uploads)}"
            uploads[name] = (key, {})
            return 200, {}, f"<R><UploadId>{escape(name)}</UploadId></R>".encode()
        name = query.get("uploadId", "")
        if uploads.get(name, ("",))[0] != key:
            raise Refused(404, "NoSuchUpload")
        parts = uploads[name][1]
        if self.command == "DELETE":
            del uploads[name]
            return 204, {}, b""
        if self.command == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""
        listed = re.findall(r"<Part><PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag></Part>",
                            body.decode())
        numbers = [int(number) for number, _ in listed]
        if numbers != sorted(set(numbers)) or not numbers:
            raise Refused(400, "InvalidPartOrder")
        for number, tag in zip(numbers, (tag for _, tag in listed)):
            if number not in parts or tag.strip('"') != hashlib.md5(parts[number]).hexdigest():
                raise Refused(400, "InvalidPart")
        if any(len(parts[number]) < SMALLEST_PART for number in numbers[:-1]):
            raise Refused(400, "EntityTooSmall")
        objects[key] = b"".join(parts[number] for number in numbers)
        del uploads[name]
        return 200, {}, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
sys.stdout.flush()
server.serve_forever()
