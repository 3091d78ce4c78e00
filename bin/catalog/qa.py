"""Runs Airbyte's checks of a contribution: python -c "$(cat qa.py)", where qa.txt is installed.

Look-ups are off: what is at Docker Hub and in Airbyte's repository is not asked. The working
directory is the checkout; prints a JSON object with the status and message of each check.
"""

import json
from functools import partial
from types import SimpleNamespace

import requests
from airbyte_ops_mcp.connector_ops.utils import Connector, ConnectorLanguage
from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS
from airbyte_ops_mcp.connector_qa.checks import metadata as metadata_checks
from airbyte_ops_mcp.connector_qa.checks.documentation import documentation

# Needs the internet.
LEFT_OUT = {"CheckDocumentationLinks"}

requests.get = lambda *_, **__: SimpleNamespace(ok=False, status_code=404)
Connector.is_released = False
metadata_checks.ValidatorOptions = partial(
    metadata_checks.ValidatorOptions, disable_dockerhub_checks=True
)
# Airbyte asks for its layout of the page in connectors in Python only.
documentation.CheckDocumentationContent.applies_to_connector_languages = [*ConnectorLanguage]
documentation.CheckDocumentationContent.applies_to_connector_ab_internal_sl = 100

connector = Connector("source-clockify")
results = {
    type(check).__name__: check.run(connector)
    for check in ENABLED_CHECKS
    if type(check).__name__ not in LEFT_OUT
}
print()
print(json.dumps({name: [each.status.value, each.message] for name, each in results.items()}))
