"""The command `source-clockify spec`, which needs only the manifest and does not import the CDK."""

import json

from source_clockify.manifest_file import load_manifest
from source_clockify.output import Output


def print_specification(output: Output) -> int:
    """Run the command; return the exit code."""
    spec = load_manifest()["spec"]
    message = {
        "type": "SPEC",
        "spec": {
            "connectionSpecification": spec["connection_specification"],
            "documentationUrl": spec["documentation_url"],
            # The protocol's defaults, which the CDK prints as well.
            "supportsNormalization": False,
            "supportsDBT": False,
        },
    }
    output.write_line(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
    return 0
