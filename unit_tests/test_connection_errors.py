"""A connection that fails is named by host and cause, without what a proxy is told in secret."""

import gc
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from airbyte_cdk.models import FailureType, Status

from source_clockify.connection_errors import ConnectionProblem, describe_connection_error
from unit_tests.clockify import check, config, failure, read, statuses
from unit_tests.protocol import errors_of, logs_of, present

# `requests` leaves the socket of a broken answer to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PATH = "/api/v1/workspaces"
PUBLIC = f"https://api.clockify.me{PATH}"
PASSWORD = "hidden-word"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _no_socket_is_left() -> Iterator[None]:
    """Let no later test meet the warnings of the garbage collector."""
    yield
    gc.collect()


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Return what starts a server on this machine that sends these bytes; it returns the port."""
    servers: list[socket.socket] = []

    def start(reply: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(reply)

        threading.Thread(target=answer, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def problem_of(url: str, **server: Any) -> ConnectionProblem:
    """Return what is said when this URL is read."""
    with pytest.raises(requests.RequestException) as raised:
        requests.get(url, timeout=20)
    request = requests.Request("GET", url).prepare()
    return assert_in_words(describe_connection_error(raised.value, request, {"server": server}))


def assert_in_words(problem: ConnectionProblem) -> ConnectionProblem:
    for sign in (PASSWORD, "ConnectionPool", "object at 0x", "Errno", "Traceback", "HTTPError"):
        assert sign not in problem.message
    return problem


def test_a_refused_connection_names_host_port_and_request() -> None:
    port = closed_port()

    problem = problem_of(f"http://127.0.0.1:{port}{PATH}")

    assert problem == ConnectionProblem(
        f"127.0.0.1:{port} refused the connection (GET {PATH}). Check Server (server), and whether "
        "a firewall or proxy blocks the connection.",
        FailureType.transient_error,
    )


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"", "closed the connection before it answered"),
        (b"hello", "sent an answer that is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
            "closed the connection in the middle of its answer",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[",
            "closed the connection in the middle of its answer",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n[]",
            "sent an answer that cannot be decompressed",
        ),
    ],
)
def test_a_broken_answer_is_named(answering: Any, reply: bytes, said: str) -> None:
    port = answering(reply)

    problem = problem_of(f"http://127.0.0.1:{port}/w")

    assert problem.message.startswith(f"127.0.0.1:{port} {said} (GET /w).")
    assert problem.failure_type is FailureType.transient_error


def test_a_server_without_https_is_named(answering: Any) -> None:
    port = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert (
        f"127.0.0.1:{port} does not speak HTTPS" in problem_of(f"https://127.0.0.1:{port}").message
    )


def described(error: Exception, url: str = PUBLIC, **server: Any) -> ConnectionProblem:
    """Return what is said of an exception as `requests` and `urllib3` wrap it."""
    try:
        try:
            raise error
        except Exception as cause:
            raise requests.ConnectionError(f"HTTPSConnectionPool: {cause}") from cause
    except requests.ConnectionError as wrapped:
        request = requests.Request("GET", url).prepare()
        return assert_in_words(describe_connection_error(wrapped, request, {"server": server}))


UNKNOWN_HOST = socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    ("server", "url", "field"),
    [
        (
            {"server_type": "subdomain", "subdomain": "acne"},
            "https://acne.clockify.me/api/v1",
            "Server, Subdomain (server.subdomain)",
        ),
        (
            {"server_type": "custom", "api_url": "https://api.example.com/v1"},
            "https://api.example.com/v1",
            "Server, API URL (server.api_url)",
        ),
        (
            {
                "server_type": "custom",
                "api_url": "https://api.example.com/v1",
                "reports_url": "https://reports.example.com/v1",
            },
            "https://reports.example.com/v1",
            "Server, Reports URL (server.reports_url)",
        ),
    ],
)
def test_an_unknown_host_that_was_entered_is_an_error_of_its_field(
    server: dict[str, Any], url: str, field: str
) -> None:
    problem = described(UNKNOWN_HOST, url, **server)

    assert problem.failure_type is FailureType.config_error
    assert problem.message.startswith(f"{url.split('/')[2]} is unknown to the name server (DNS)")
    assert f"Check {field}, and whether this machine resolves names." in problem.message


def test_an_unknown_public_host_may_be_known_later() -> None:
    problem = described(UNKNOWN_HOST, server_type="region", region="global")

    assert problem.failure_type is FailureType.transient_error
    assert "api.clockify.me is unknown to the name server" in problem.message


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (10, "it has expired"),
        (18, "it is self-signed"),
        (19, "its issuer is unknown here"),
        (20, "its issuer is unknown here"),
        (62, "it was issued for another host"),
        (64, "it was issued for another host"),
        (26, "it does not pass the verification"),
    ],
)
def test_a_certificate_that_cannot_be_trusted_says_why(code: int, said: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code

    problem = described(error)

    assert (
        f"api.clockify.me:443 has a certificate that cannot be trusted: {said}" in problem.message
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.ConnectTimeout(), "did not accept the connection in time"),
        (requests.ReadTimeout(), "did not answer in time"),
        (TimeoutError(), "did not answer in time"),
        (ConnectionResetError(), "closed the connection before it answered"),
        (OSError(101, "Network is unreachable"), "cannot be reached (Network is unreachable)"),
        (ValueError("something else"), "cannot be reached"),
    ],
)
def test_other_causes_are_named(error: Exception, said: str) -> None:
    assert described(error).message.startswith(f"api.clockify.me:443 {said} (GET {PATH}).")


# Proxies ---------------------------------------------------------------------------------------

ASKS = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"


def behind(monkeypatch: pytest.MonkeyPatch, address: str) -> ConnectionProblem:
    monkeypatch.setenv("HTTPS_PROXY", address)
    return problem_of(PUBLIC)


def test_a_proxy_that_refuses_the_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()

    problem = behind(monkeypatch, f"http://me:{PASSWORD}@127.0.0.1:{port}")

    assert problem.message.startswith(f"The proxy 127.0.0.1:{port} refused the connection")
    assert "(HTTPS_PROXY, NO_PROXY)" in problem.message
    assert problem.failure_type is FailureType.transient_error


@pytest.mark.parametrize(
    ("reply", "said", "is_final"),
    [
        (ASKS, "asks for a name and password, or refuses those it got", True),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused to connect to api.clockify.me:443", False),
    ],
)
def test_the_answer_of_a_proxy_is_named(
    monkeypatch: pytest.MonkeyPatch, answering: Any, reply: bytes, said: str, is_final: bool
) -> None:
    problem = behind(monkeypatch, f"http://me:{PASSWORD}@127.0.0.1:{answering(reply)}")

    assert said in problem.message
    assert problem.is_final is is_final


@pytest.mark.parametrize(
    "address",
    [
        f"ftp://me:{PASSWORD}@127.0.0.1:1080",
        f"socks5://me:{PASSWORD}@127.0.0.1:1080",
        f"http://me:{PASSWORD}@127.0.0.1:99999",
        "http://",
    ],
)
def test_a_proxy_of_another_form_is_a_config_error(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    problem = behind(monkeypatch, address)

    assert "its address must be http://host:port or https://host:port" in problem.message
    assert problem.failure_type is FailureType.config_error
    assert problem.is_final


# Through the commands --------------------------------------------------------------------------


def local(port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/api/v1"
    return config(server={"server_type": "custom", "api_url": url, "reports_url": url})


def test_check_and_read_say_it_without_a_word_of_python(waits: list[float]) -> None:
    settings = local(closed_port())

    checked = check(settings)
    output = read("tags", with_config=settings)

    (message,) = checked.connection_status_messages
    status = present(message.connectionStatus)
    assert status.status is Status.FAILED
    for text, attempts in ((str(status.message), 2), (failure(output, "tags").message, 8)):
        assert "refused the connection (GET /api/v1/workspaces)." in text
        assert text.endswith(f"Tried {attempts} times.")
    assert failure(output, "tags").failure_type is FailureType.transient_error
    assert statuses(output, "tags")[-1] == "INCOMPLETE"
    said = [str(error) for each in (checked, output) for error in errors_of(each)]
    said += [log.message for each in (checked, output) for log in logs_of(each)]
    assert not [text for text in said if "ConnectionPool" in text]


def test_the_password_of_a_proxy_is_nowhere(
    monkeypatch: pytest.MonkeyPatch, answering: Any, waits: list[float]
) -> None:
    for address in (f"127.0.0.1:{answering(ASKS)}", "127.0.0.1:99999"):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@{address}")
        waits.clear()

        outputs = [check(config()), read("tags", with_config=config())]

        assert waits == []
        for output in outputs:
            assert PASSWORD not in json.dumps([str(each) for each in output.get_message_iterator()])
        assert failure(outputs[1], "tags").failure_type is FailureType.config_error
