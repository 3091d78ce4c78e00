"""The configuration form as Airbyte shows it, drawn from the spec of the manifest.

`python -m docs.form` makes `form.png`, with Chromium.
"""
