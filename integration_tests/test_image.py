"""The image, on a Docker engine: what it prints goes through the writer into a topic.

It runs if the environment variable IMAGE names the image:

IMAGE=source-clockify/source-clockify:dev bin/test integration_tests/test_image.py
"""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from google.pubsub_v1.services.publisher import PublisherClient

from integration_tests.airbyte import STREAMS, Output, config_of
from integration_tests.pubsub.topic import create_topic, records_of, transport
from integration_tests.pubsub.writer import Writer, publisher_of
from integration_tests.sandbox.client import start

IMAGE = os.environ.get("IMAGE")
pytestmark = [
    pytest.mark.image_tests,
    pytest.mark.skipif(IMAGE is None, reason="IMAGE names no image to test"),
]


def run(folder: Path, command: str, *files: str) -> list[str]:
    """Run a command of the image, with files of a folder; answers the lines that it prints."""
    assert IMAGE is not None
    options = [part for name in files for part in (f"--{name}", f"/data/{name}.json")]
    docker = ["docker", "run", "--rm", "--network", "host", "--volume", f"{folder}:/data:ro"]
    done = subprocess.run([*docker, IMAGE, command, *options], capture_output=True, timeout=300)
    printed = done.stdout.decode()
    assert done.returncode == 0, printed + done.stderr.decode()
    return printed.split("\n")


def test_the_image_reads_an_account_into_a_topic(tmp_path: Path, pubsub_address: str) -> None:
    tmp_path.chmod(0o755)
    assert any('"type":"SPEC"' in line for line in run(tmp_path, "spec"))
    with start(users=3, entries=10, plan="ENTERPRISE") as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_of(sandbox)))
        assert any('"SUCCEEDED"' in line for line in run(tmp_path, "check", "config"))
        (catalog, *_) = run(tmp_path, "catalog", "config")
        (tmp_path / "catalog.json").write_text(catalog)

        topic = create_topic(pubsub_address, "image")
        publisher = publisher_of(
            topic.destination(), transport=transport(PublisherClient, pubsub_address)
        )
        writer = Writer(publisher, topic.path, {(None, stream) for stream in STREAMS})

        def sync(*files: str) -> Counter[str]:
            lines = run(tmp_path, "read", "config", "catalog", *files)
            acknowledged = [json.loads(line) for line in writer.write(lines)]
            (tmp_path / "state.json").write_text(json.dumps(Output(acknowledged, 0, "").state))
            return Counter(record["stream"] for record in records_of(topic.pull()))

        assert sync().keys() == {*STREAMS}
        tag = sandbox.rows("tags")[0]
        sandbox.delete(tag["workspaceId"], "tags", tag["id"])
        assert sync("state")["tags"] == 1
