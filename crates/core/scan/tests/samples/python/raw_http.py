"""Raw requests to https://api.openai.com/v1/embeddings."""

import json
import urllib.request

import aiohttp
import httpx
import requests

BASE = "https://api.openai.com/v1"  # find: host
HEADERS = {"Authorization": "Bearer nothing"}


def chat(messages):
    return requests.post(  # find: http
        "https://api.openai.com/v1/chat/completions",
        headers=HEADERS,
        json={"model": "gpt-4o", "messages": messages, "temperature": 0.7, "stream": False},
        timeout=60,
    ).json()


async def embed(texts):
    async with httpx.AsyncClient() as http:
        body = {"model": "text-embedding-3-small", "input": texts}
        return await http.post(f"{BASE}/embeddings", json=body, headers=HEADERS)  # find: http


async def stream(self, messages):
    async with aiohttp.ClientSession() as session:
        async with session.post(url=self.base_url + "/chat/completions", json={"model": self.model, "messages": messages, "stream": True}) as r:  # find: http
            return await r.text()


def old(prompt):
    request = urllib.request.Request(BASE + "/completions", data=json.dumps({"model": "gpt-3.5-turbo-instruct", "prompt": prompt}).encode())  # find: http
    return urllib.request.urlopen(request)


def unrelated():
    requests.get("https://example.com/v1/chat/completions.html")
    requests.post("https://example.com/api/embeddings", json={"model": "bge"})
    print("Could not reach https://api.openai.com/v1, see the log")
    if "api.openai.com" in BASE:
        raise SystemExit("api.openai.com is not allowed")
