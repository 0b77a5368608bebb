"""Instructor in its three usual modes: tools, JSON and JSON schema."""

import os

import instructor
import openai
import pytest
from pydantic import BaseModel

URL, KEY = os.environ["BANJIA_URL"], os.environ["BANJIA_KEY"]


class User(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA])
@pytest.mark.parametrize("vendor", ["openai", "alibaba", "baidu", "zhipu"])
def test_extraction(vendor, mode):
    client = instructor.from_openai(openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0), mode=mode)
    user = client.chat.completions.create(
        model=f"via-{vendor}", response_model=User, max_retries=0, messages=[{"role": "user", "content": "Extract: Jason is 25 years old."}]
    )
    assert isinstance(user, User) and user.age == 25 and user.name

