"""Prepares the import of the CDK so that the command starts quickly.

Only the command does this, in its own process: a program that uses the package as a library may
need the features disabled here. The module imports nothing from the CDK.
"""


def skip_documentation_of_fields() -> None:
    """Compile the CDK's models without the documentation of their fields.

    serpyco_rs parses the source of every class for it, which takes a quarter of the CDK's import.
    Only JSON schemas of the models need it, which the connector never generates; there is no
    setting.
    """
    try:
        import attributes_doc
    except ImportError:
        # Other versions of serpyco_rs may lack this function.
        return
    attributes_doc.get_attributes_doc = lambda cls: {}
