"""What every client test needs: the gateway's address and key, and the vendors behind it."""

import os

import pytest

VENDORS = ["openai", "alibaba", "baidu", "zhipu"]
URL, KEY = os.environ["BANJIA_URL"], os.environ["BANJIA_KEY"]


@pytest.fixture(params=VENDORS)
def vendor(request):
    return request.param


@pytest.fixture
def route(vendor):
    return f"via-{vendor}"


@pytest.fixture
def embedding_route(vendor):
    return f"embed-{vendor}"
