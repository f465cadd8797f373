"""A real API: Django REST framework over SQLite, with its own LimitOffsetPagination and its own
throttle, a strict sliding log that answers 429 with Retry-After.

Serves every package record of `apt-cache dumpavail` at /api/packages/ (with a total) and
/api/packages-without-count/ (without).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import django
from django.conf import settings

arguments = argparse.ArgumentParser()
arguments.add_argument("--database", required=True)
arguments.add_argument("--port-file", required=True)
arguments.add_argument("--log", required=True)
arguments.add_argument("--rate", type=int, required=True)
arguments.add_argument("--period", type=float, required=True)
arguments.add_argument("--records", type=int, help="serve so many, made up where there are fewer")
options = arguments.parse_args() if __name__ == "__main__" else None

settings.configure(
    SECRET_KEY="for tests only",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": options.database}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, pagination, response, serializers, throttling  # noqa: E402

FIELDS = ["package", "version", "section", "architecture", "maintainer", "description"]


class Package(models.Model):
    package = models.TextField()
    version = models.TextField()
    section = models.TextField()
    architecture = models.TextField()
    maintainer = models.TextField()
    description = models.TextField()

    class Meta:
        app_label = "packages"
        ordering = ["id"]


class PackageSerializer(serializers.ModelSerializer):
    class Meta:
        model = Package
        fields = ["id", *FIELDS]


class WithCount(pagination.LimitOffsetPagination):
    default_limit = 100
    max_limit = 1000


class WithoutCount(WithCount):
    def get_count(self, queryset):
        return sys.maxsize

    def get_paginated_response(self, data):
        return response.Response({"results": data})


class Throttle(throttling.SimpleRateThrottle):
    """The framework's own sliding log, for a period of any length and exact under threads."""

    scope = "all"
    rate = "1/s"
    lock = threading.Lock()
    history = []
    arrivals = []

    def parse_rate(self, rate):
        return options.rate, options.period

    def allow_request(self, request, view):
        with self.lock:
            self.now = self.timer()
            while self.history and self.history[0] <= self.now - self.duration:
                self.history.pop(0)
            allowed = len(self.history) < self.num_requests
            if allowed:
                self.history.append(self.now)
            log.write(json.dumps({"at": time.monotonic(), "allowed": allowed,
                                  "path": request.get_full_path()}) + "\n")
            log.flush()
            return allowed

    def wait(self):
        return self.duration - (self.now - self.history[0])


class Packages(generics.ListAPIView):
    queryset = Package.objects.all()
    serializer_class = PackageSerializer
    pagination_class = WithCount
    throttle_classes = [Throttle]


urlpatterns = [
    path("api/packages/", Packages.as_view()),
    path("api/packages-without-count/", Packages.as_view(pagination_class=WithoutCount)),
]


class KeepAlive(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def stanzas():
    """The records of `apt-cache dumpavail`; of what dpkg has where apt has no lists."""
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout
    if not text:
        text = pathlib.Path("/var/lib/dpkg/status").read_bytes()
    for stanza in text.decode("utf-8", "replace").split("\n\n"):
        fields = {}
        name = None
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] += "\n" + line.strip()
            else:
                name, _, value = line.partition(":")
                fields[name := name.lower()] = value.strip()
        if fields:
            yield [fields.get(name, "") for name in FIELDS]


def load():
    with connection.schema_editor() as editor:
        editor.create_model(Package)
    rows = [Package(**dict(zip(FIELDS, values))) for values in stanzas()]
    if options.records:
        known = len(rows)
        while len(rows) < options.records:
            rows.append(Package(**{name: getattr(rows[len(rows) % known], name) for name in FIELDS}))
        del rows[options.records:]
    Package.objects.bulk_create(rows, batch_size=5000)


def main():
    if not os.path.exists(options.database):
        load()
    server = ThreadedWSGIServer(("127.0.0.1", 0), KeepAlive)
    server.daemon_threads = True
    server.set_app(get_internal_wsgi_application())
    partial = options.port_file + ".part"
    pathlib.Path(partial).write_text(str(server.server_port))
    os.rename(partial, options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    # As an app of this file's own, so that the model has a home.
    sys.modules["packages"] = sys.modules["__main__"]
    log = open(options.log, "w", encoding="utf-8")
    main()
