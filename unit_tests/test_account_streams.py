"""workspaces, users, member_profiles, user_groups."""

import pytest

from unit_tests.clockify import (
    ODD_IDS,
    OTHER_WORKSPACE,
    USER,
    WORKSPACE,
    Clockify,
    addon_config,
    config,
    ids,
    path_of,
    query,
    read_ok,
    records,
    workspace,
)


def test_workspaces_are_read_as_clockify_sends_them(clockify: Clockify) -> None:
    account = workspace(
        name="Büro 東京 🕐",
        hourlyRate={"amount": 4250, "currency": "EUR"},
        features=["TIME_OFF", "SOMETHING_NEW"],
        workspaceSettings={"automaticLock": None, "lockTimeEntries": "2026-01-01T00:00:00Z"},
    )
    clockify.workspaces(account, OTHER_WORKSPACE)

    output = read_ok("workspaces")

    assert records(output) == [account, workspace(OTHER_WORKSPACE)]
    assert [query(request) for request in clockify.sent()] == [{}]


def test_named_workspaces_are_asked_one_by_one(clockify: Clockify) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)

    output = read_ok("workspaces", with_config=config(workspace_ids=[OTHER_WORKSPACE]))

    assert ids(output) == [OTHER_WORKSPACE]
    assert [request.path for request in clockify.sent()] == [
        f"/api/v1/workspaces/{OTHER_WORKSPACE}"
    ]


def test_an_addon_token_reads_its_workspace_without_listing_workspaces(clockify: Clockify) -> None:
    """Clockify answers 401 to GET /workspaces with an add-on token."""
    clockify.workspaces()
    clockify.users(USER)

    output = read_ok("workspaces", "users", with_config=addon_config())

    assert ids(output, "workspaces") == [WORKSPACE]
    assert ids(output, "users") == [USER]
    assert clockify.sent("/workspaces") == []


@pytest.mark.parametrize("stream", ["users", "user_groups"])
def test_the_lists_of_all_workspaces_are_read(clockify: Clockify, stream: str) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.serve(stream, [{"id": "a"}, {"id": "b"}])
    clockify.serve(stream, [{"id": "c"}], OTHER_WORKSPACE)

    assert ids(read_ok(stream)) == ["a", "b", "c"]


@pytest.mark.parametrize("stream", ["users", "user_groups"])
def test_only_the_named_workspaces_are_read(clockify: Clockify, stream: str) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.serve(stream, [{"id": "a"}])
    clockify.serve(stream, [{"id": "b"}], OTHER_WORKSPACE)

    assert ids(read_ok(stream, with_config=config(workspace_ids=[OTHER_WORKSPACE]))) == ["b"]
    assert clockify.sent("/workspaces") == []


@pytest.mark.parametrize("stream", ["users", "user_groups"])
def test_an_empty_list_gives_no_record_and_no_error(clockify: Clockify, stream: str) -> None:
    clockify.workspaces()
    clockify.serve(stream, [])

    assert records(read_ok(stream)) == []
    assert len(clockify.sent_for(stream)) == 1


def test_users_are_asked_for_until_a_page_is_empty_or_repeated(clockify: Clockify) -> None:
    """The search has no Last-Page, and its largest page is unknown."""
    clockify.workspaces()
    users = [{"id": str(number)} for number in range(7)]
    clockify.listing("users", users, at_most=3, last_page="absent")

    assert ids(read_ok("users")) == [str(number) for number in range(7)]
    assert [each.json()["page"] for each in clockify.sent_for("users")] == [1, 2, 3, 4]


def test_a_server_that_ignores_the_page_of_users_lists_each_once(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.answer(path_of("users"), {"json": [{"id": str(number)} for number in range(7)]})

    assert len(records(read_ok("users"))) == 7
    assert len(clockify.sent_for("users")) == 2


def test_users_are_requested_with_every_status(
    clockify: Clockify,
) -> None:
    """Without `accountStatuses` limited members are missing, and their time entries with them."""
    clockify.workspaces()
    clockify.users(USER)

    read_ok("users")

    (request,) = clockify.sent_for("users")
    assert request.json() == {
        "status": "ALL",
        "accountStatuses": ["ACTIVE", "PENDING_EMAIL_VERIFICATION", "NOT_REGISTERED", "LIMITED"],
        "memberships": "WORKSPACE",
        "includeRoles": True,
        "sortColumn": "ID",
        "sortOrder": "ASCENDING",
        "page": 1,
        "pageSize": 5000,
    }


def test_the_same_user_of_two_workspaces_is_two_records(clockify: Clockify) -> None:
    """A user's row does not name its workspace, which is half of the primary key."""
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    clockify.users(USER)
    clockify.users(USER, of=OTHER_WORKSPACE)

    found = {(record["workspaceId"], record["id"]) for record in records(read_ok("users"))}

    assert found == {(WORKSPACE, USER), (OTHER_WORKSPACE, USER)}


def test_a_user_keeps_its_fields_nulls_inside_objects_and_unicode(clockify: Clockify) -> None:
    clockify.workspaces()
    user = {
        "id": USER,
        "name": "Żółć 李雷 \N{HAMMER} \\ \"quoted\" {{ config['credentials'] }}",
        "email": "a@example.com",
        "memberships": [{"userId": USER, "hourlyRate": None, "membershipStatus": "INACTIVE"}],
        "settings": {"timeZone": "Asia/Tokyo", "myStartOfDay": None},
        "newField": {"deep": [1, 2.5, None]},
    }
    clockify.serve("users", [user])

    assert records(read_ok("users")) == [{**user, "workspaceId": WORKSPACE}]


def test_user_groups_are_asked_for_with_their_managers(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("user_groups", [{"id": "g", "workspaceId": WORKSPACE, "userIds": list(ODD_IDS)}])

    output = read_ok("user_groups")

    assert records(output) == [{"id": "g", "workspaceId": WORKSPACE, "userIds": list(ODD_IDS)}]
    (request,) = clockify.sent_for("user_groups")
    assert query(request) == {
        "includeTeamManagers": "true",
        "sort-column": "ID",
        "sort-order": "ASCENDING",
        "page": "1",
        "page-size": "5000",
    }


def test_a_profile_is_read_for_each_user_and_gets_the_ids_of_its_path(clockify: Clockify) -> None:
    clockify.workspaces(WORKSPACE, OTHER_WORKSPACE)
    for of, user in ((WORKSPACE, "u1"), (WORKSPACE, "u2"), (OTHER_WORKSPACE, "u1")):
        profile = {"name": f"{user} of {of}", "workCapacity": "PT7H", "imageUrl": ""}
        clockify.answer(f"/workspaces/{of}/member-profile/{user}", {"json": profile})
    clockify.users("u1", "u2")
    clockify.users("u1", of=OTHER_WORKSPACE)

    found = records(read_ok("member_profiles"))

    assert sorted(found, key=lambda record: (record["workspaceId"], record["userId"])) == [
        {
            "name": f"{user} of {of}",
            "workCapacity": "PT7H",
            "imageUrl": "",
            "workspaceId": of,
            "userId": user,
        }
        for of, user in ((WORKSPACE, "u1"), (WORKSPACE, "u2"), (OTHER_WORKSPACE, "u1"))
    ]


def test_profiles_are_not_paged(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("member_profiles", [{"name": "Ada"}])

    read_ok("member_profiles")

    (request,) = clockify.sent_for("member_profiles")
    assert query(request) == {}


def test_a_workspace_without_users_has_no_profiles(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.users()

    assert records(read_ok("member_profiles")) == []


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_that_look_like_numbers_stay_text(clockify: Clockify, odd: str) -> None:
    """A template that made a number of `64e777...` would yield infinity, and of digits a float."""
    clockify.workspaces(odd)
    clockify.listing("users", [{"id": odd}], odd)
    clockify.listing("user-groups", [{"id": odd, "workspaceId": odd}], odd)
    clockify.answer(f"/workspaces/{odd}/member-profile/{odd}", {"json": {"name": "Ada"}})

    for settings in (config(), config(workspace_ids=[odd])):
        output = read_ok(
            "workspaces", "users", "user_groups", "member_profiles", with_config=settings
        )

        assert [record["id"] for record in records(output, "workspaces")] == [odd]
        assert records(output, "users") == [{"id": odd, "workspaceId": odd}]
        assert records(output, "user_groups") == [{"id": odd, "workspaceId": odd}]
        assert records(output, "member_profiles") == [
            {"name": "Ada", "workspaceId": odd, "userId": odd}
        ]


def test_a_profile_path_is_taken_from_the_id_and_nothing_else(clockify: Clockify) -> None:
    clockify.workspaces()
    clockify.serve("member_profiles", [{"name": "Ada", "userId": "wrong", "workspaceId": "wrong"}])

    (record,) = records(read_ok("member_profiles"))

    assert (record["workspaceId"], record["userId"]) == (WORKSPACE, USER)
    assert len(clockify.sent(path_of("member_profiles"))) == 1
