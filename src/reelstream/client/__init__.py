"""A typed client of the HTTP API.

    from reelstream.client import Client

    with Client("http://127.0.0.1:5000") as client:
        answer = client.predict(user_id=1, item_id=31)
        print(answer.title, answer.regression.prediction, answer.regression.interval)

Answers are the classes of `reelstream.contract`.
"""

from reelstream.client.client import DEFAULT_API_URL, Client
from reelstream.client.waiting import wait_until_answers
from reelstream.errors import ApiError

__all__ = ["DEFAULT_API_URL", "ApiError", "Client", "wait_until_answers"]
