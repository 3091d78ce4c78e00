"""The actions of the audit log, and the action of each edit."""

ACTIONS = frozenset(
    (
        *("CREATE_TIME_PERSONAL_TIMER", "CREATE_TIME_PERSONAL_MANUAL", "CREATE_TIME_IMPORT"),
        *("CREATE_TIME_KIOSK", "CREATE_TIME_FOR_OTHER", "RESTORE_TIME", "RESTORE_TIME_FOR_OTHER"),
        *("UPDATE_TIME_PERSONAL", "UPDATE_TIME_FOR_OTHER"),
        *("DELETE_TIME_PERSONAL", "DELETE_TIME_FOR_OTHER"),
        *("CREATE_PROJECT", "CREATE_PROJECT_IMPORT", "CREATE_PROJECT_QUICKBOOKS"),
        *("UPDATE_PROJECT", "DELETE_PROJECT"),
        *("CREATE_TASK", "CREATE_TASK_IMPORT", "UPDATE_TASK", "DELETE_TASK"),
        *("CREATE_CLIENT", "CREATE_CLIENT_IMPORT", "CREATE_CLIENT_QUICKBOOKS"),
        *("UPDATE_CLIENT", "DELETE_CLIENT"),
        *("CREATE_TAG", "CREATE_TAG_IMPORT", "UPDATE_TAG", "DELETE_TAG"),
        *("CREATE_EXPENSE", "CREATE_EXPENSE_FOR_OTHER"),
        *("RESTORE_EXPENSE", "RESTORE_EXPENSE_FOR_OTHER"),
        *("UPDATE_EXPENSE", "UPDATE_EXPENSE_FOR_OTHER"),
        *("DELETE_EXPENSE", "DELETE_EXPENSE_FOR_OTHER"),
    )
)
_NOUNS = {"projects": "PROJECT", "tasks": "TASK", "clients": "CLIENT", "tags": "TAG"}


def action_of(verb: str, collection: str, own: bool) -> str | None:
    """The action of CREATE, UPDATE, DELETE or RESTORE in a collection; None if it is not logged."""
    if collection == "time-entries":
        if verb == "RESTORE":
            suffix = "" if own else "_FOR_OTHER"
        elif verb == "CREATE":
            suffix = "_PERSONAL_MANUAL" if own else "_FOR_OTHER"
        else:
            suffix = "_PERSONAL" if own else "_FOR_OTHER"
        action = f"{verb}_TIME{suffix}"
    elif collection == "expenses":
        action = f"{verb}_EXPENSE" + ("" if own else "_FOR_OTHER")
    else:
        action = f"{verb}_{_NOUNS.get(collection)}"
    return action if action in ACTIONS else None
