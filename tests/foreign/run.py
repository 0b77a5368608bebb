"""openai-python's own tests, once against the mock they are written for and once through the gateway in front of it.

    python3 tests/foreign/run.py NODE_ENVIRONMENT PYTHON_ENVIRONMENT CACHE

A pass through the gateway proves that no parameter, path, header or member of an answer is lost or renamed on the way: both runs
must give the same result for every test by name. Of the suite: creating chat completions and embeddings, reading models. Left
out: chat completions that OpenAI stores (list, retrieve, update, delete) and deleting a model, which the gateway does not offer.
The mock is steady, with the document that tests/conformance chooses.
"""

import os
import pathlib
import subprocess
import sys
import tarfile
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "conformance")]
import rig  # noqa: E402
import run as conformance  # noqa: E402

SDK = "openai-3.54.0"
MODELS = ["gpt-6-astra", "text-embedding-3-small", "model"]
TESTS = ["chat/test_completions.py", "test_embeddings.py", "test_models.py"]
WANTED = "create or (TestModels or TestAsyncModels) and (retrieve or list) or embeddings"


def sources(python, cache):
    """The SDK's tests, from its source package."""
    folder = pathlib.Path(cache) / SDK
    if not (folder / "tests").is_dir():
        name, version = SDK.split("-")
        subprocess.run([f"{python}/bin/pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", name, f"{name}=={version}", "-d", cache], check=True)
        with tarfile.open(f"{cache}/{SDK}.tar.gz") as package:
            package.extractall(cache, filter="data")
    return folder


def results(python, folder, base, report):
    """What became of every test, by name."""
    environment = {**os.environ, "TEST_API_BASE_URL": base}
    tests = [f"tests/api_resources/{test}" for test in TESTS]
    subprocess.run(
        [f"{python}/bin/pytest", *tests, "-q", "-k", WANTED, "-p", "no:cacheprovider", "--timeout", "60", "--tb", "line", "-o", "addopts=", "-o", "log_level=ERROR", f"--junitxml={report}"],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False,
    )
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[f"{case.get('classname')}::{case.get('name')}"] = bad[0] if bad else "passed"
    return found


def compare(python, folder, direct):
    """Runs inside the rig."""
    before = results(python, folder, direct, f"{folder}/direct.xml")
    through = results(python, folder, os.environ["BANJIA_URL"], f"{folder}/through.xml")
    different = {name: (before.get(name), through.get(name)) for name in before.keys() | through.keys() if before.get(name) != through.get(name)}
    for name, (alone, gateway) in sorted(different.items()):
        print(f"{name}: {alone} directly, {gateway} through the gateway")
    enough = sum(result == "passed" for result in before.values()) > 30
    print(f"{len(before)} tests compared, {len(different)} differ" + ("" if enough else "; too few passed directly to prove anything"))
    return 1 if different or not enough else 0


def main(node, python, cache):
    folder = sources(python, cache)
    port = rig.free_port()
    options = [f"--validator-{place}-{kind}-format=brackets" for place in ("query", "form") for kind in ("array", "object")]
    mock = subprocess.Popen([f"{node}/node_modules/.bin/steady", "--host", "127.0.0.1", "-p", str(port), *options, "-q", conformance.document()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    direct = f"http://127.0.0.1:{port}"
    try:
        rig.wait_for(f"{direct}/models", mock, 120)
        rig.PROFILE = "openai"
        rig.KEY = "My API Key"  # the one that the SDK's tests send
        routes = [part for model in MODELS for part in ("--route", f"{model}={direct}")]
        return rig.main([*routes, "--", sys.executable, str(HERE / "run.py"), "inside", python, str(folder), direct])
    finally:
        mock.terminate()
        mock.wait()


if __name__ == "__main__":
    if sys.argv[1] == "inside":
        sys.exit(compare(sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]))
    sys.exit(main(*sys.argv[1:]))
