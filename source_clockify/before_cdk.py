"""What has to be done before the CDK is imported, so that the command starts quickly.

Only the command does this, in its own process: a program that uses the package as a library may
need what is switched off here. It imports nothing of the CDK.
"""


def skip_documentation_of_fields() -> None:
    """Let the CDK's models be compiled without the documentation of their fields.

    serpyco_rs parses the source of every class for it, a quarter of the CDK's import. It goes into
    JSON schemas of the models, which the connector never makes, and serpyco_rs has no setting.
    """
    try:
        import attributes_doc
    except ImportError:
        # Another version of serpyco_rs may do without it.
        return
    attributes_doc.get_attributes_doc = lambda cls: {}
