"""A server that starts in a moment, as it loads no model: `plain_server.py PORT`."""

from __future__ import annotations

import sys

from flask import Flask

from reelstream.api.server import serve


def make_app() -> Flask:
    app = Flask("plain")
    app.add_url_rule("/health/ready", view_func=lambda: {"model_set": 0})
    return app


if __name__ == "__main__":
    serve("127.0.0.1", int(sys.argv[1]), make_app)
