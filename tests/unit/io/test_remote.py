"""Media are downloaded from hosts that were allowed, and from nothing that such a host leads to."""

import ssl
import subprocess
import threading

import pytest

from anygen.io import remote
from anygen.io.media_files import MediaError
from anygen.io.remote import RefusedAddressError, check_hosts, fetch, is_public
from support.net import PUBLIC, Net, listening, network, read_request, redirect, reply

HOSTS = ("http://media.example.org", "http://other.example.org")
URL = "http://media.example.org/cat.png"


@pytest.fixture
def net(monkeypatch):
    with network(monkeypatch) as found:
        yield found


def test_a_medium_of_an_allowed_host_comes_from_the_address_that_was_checked(net, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(f"{URL}?size=ä b", HOSTS, "image") == b"cat"
    assert net.connections == [(PUBLIC, 80)]
    [request] = net.requests
    assert request.startswith("GET /cat.png?size=%C3%A4%20b HTTP/1.1\r\n")
    assert "Host: media.example.org\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://media.example.org.evil.org/",
        "http://evil.org/media.example.org",
        "http://media.example.org./",
        "http://media.example.org:8080/",
        "http://media.example.org:443/",
        "http://media.example.org:x/",
        "http://user@media.example.org/",
        "http://@media.example.org/",
        "http://evil.org#@media.example.org/",
        "http://[::1/",
        "http://xn--a/" + "a" * 9,
        "https:///cat.png",
        "ftp://media.example.org/",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
    ],
)
def test_any_other_url_is_refused_before_anything_is_sent(net, url):
    with pytest.raises(RefusedAddressError, match=r"^image: "):
        fetch(url, HOSTS, "image")
    assert net.connections == []


def test_without_the_scheme_a_host_is_allowed_for_https_alone(net):
    with pytest.raises(RefusedAddressError, match=r"not downloaded from there; allowed are media"):
        fetch(URL, ["media.example.org"], "image")
    with pytest.raises(RefusedAddressError, match="allowed are no hosts"):
        fetch(URL, [], "image")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0"),
        *("fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:db8::1", "5f00::1"),
    ],
)
def test_a_host_with_an_address_of_this_network_is_refused(net, address):
    assert not is_public(address)
    net.names["media.example.org"] = [[PUBLIC, address]]
    with pytest.raises(RefusedAddressError, match="image: its host has an address that is not"):
        fetch(URL, HOSTS, "image")
    assert net.connections == []


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:4700::1111", f"::ffff:{PUBLIC}", "64:ff9b::808:808", "2002:808:808::"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


def test_a_name_is_resolved_once_and_again_for_each_redirect(net):
    net.names["media.example.org"] = [[PUBLIC], ["127.0.0.1"]]
    assert fetch(URL, HOSTS, "image") == b"cat"
    net.names["other.example.org"] = [[PUBLIC], ["127.0.0.1"]]
    net.replies = [redirect("/elsewhere")]
    with pytest.raises(RefusedAddressError, match="an address that is not public"):
        fetch("http://other.example.org/", HOSTS, "image")
    assert len(net.connections) == 2


def test_redirects_are_followed_among_allowed_hosts(net):
    net.replies = [redirect("dog.png"), redirect("http://other.example.org/a/cow.png")]
    assert fetch(URL, HOSTS, "image") == b"cat"
    targets = [request.split(" ")[1] for request in net.requests]
    assert targets == ["/cat.png", "/dog.png", "/a/cow.png"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://evil.org/",
        "//evil.org/",
        "https://evil.org/",
        "file:///etc/passwd",
        "http://media.example.org:22/",
    ],
)
def test_a_redirect_to_anything_else_is_refused_and_not_repeated(net, location):
    net.replies = [redirect(location)]
    with pytest.raises(RefusedAddressError) as raised:
        fetch(URL, HOSTS, "image")
    assert "evil" not in str(raised.value)
    assert "169.254" not in str(raised.value)
    assert len(net.connections) == 1


def test_redirects_end(net):
    net.replies = [redirect("/again")] * 4
    with pytest.raises(RefusedAddressError, match="redirected more than 3 times"):
        fetch(URL, HOSTS, "image")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(b"secret", "404 Not Found"), "could not be downloaded$"),
        (reply(b"secret", "302 Found"), "could not be downloaded$"),
        (reply(Content_Encoding="gzip"), "compressed"),
        (reply(Content_Length=9), "could not be downloaded$"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "could not be"),
        (b"secret", "could not be downloaded$"),
        (b"", "could not be downloaded$"),
    ],
)
def test_what_is_no_whole_file_is_an_error_that_repeats_nothing(net, answer, reason):
    net.replies = [answer]
    with pytest.raises(MediaError, match=rf"^image: .*{reason}") as raised:
        fetch(URL, HOSTS, "image")
    assert "secret" not in str(raised.value)


def test_a_file_that_is_too_large_is_not_read_to_its_end(net, monkeypatch):
    monkeypatch.setattr(remote, "MAX_BYTES", 10)
    net.replies = [reply(b"x" * 11)]
    with pytest.raises(MediaError, match="has more than 10 bytes"):
        fetch(URL, HOSTS, "image")


def test_a_server_that_answers_little_by_little_is_cut_off(monkeypatch):
    read = threading.Event()

    def drip(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\ncat")
        while connection.recv(1):  # nothing, once the client has cut the connection
            pass
        read.set()

    with listening(drip) as port:
        net = Net(port)
        net.replace(monkeypatch)
        monkeypatch.setattr(remote, "TOTAL_SECONDS", 0.2)
        with pytest.raises(MediaError, match="could not be downloaded"):
            fetch(URL, HOSTS, "image")
        assert read.wait(60)


def test_a_second_address_is_used_if_the_first_one_takes_no_connection(net, monkeypatch):
    def connect(address, port):
        if address == PUBLIC:
            raise ConnectionRefusedError
        return net.connect(address, port)

    monkeypatch.setattr(remote, "connect", connect)
    net.names["media.example.org"] = [[PUBLIC, "8.8.8.8"]]
    assert fetch(URL, HOSTS, "image") == b"cat"
    assert net.connections == [("8.8.8.8", 80)]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One of media.example.org, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=media.example.org -addext"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    try:
        subprocess.run(
            ["openssl", *command.split(), "subjectAltName=DNS:media.example.org", *files],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("host", ["media.example.org", "other.example.org"])
def test_a_certificate_is_checked_for_the_name_and_not_for_the_address(
    certificate, monkeypatch, host
):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)

    def serve(connection):
        try:
            with server.wrap_socket(connection, server_side=True) as secure:
                read_request(secure)
                secure.sendall(reply())
        except OSError:  # the client has refused the certificate
            pass

    with listening(serve) as port:
        net = Net(port)
        net.replace(monkeypatch)
        trusting = ssl.create_default_context(cafile=certificate[0])
        monkeypatch.setattr(remote, "tls_context", lambda: trusting)
        hosts = ("media.example.org", "other.example.org")
        if host == "media.example.org":
            assert fetch(f"https://{host}/", hosts, "image") == b"cat"
        else:
            with pytest.raises(MediaError, match="could not be downloaded"):
                fetch(f"https://{host}/", hosts, "image")
        assert net.connections == [(PUBLIC, 443)]


@pytest.mark.parametrize("host", ["", "https://a.org", "a.org/x", "a.org:80", "http://", "*", "ä"])
def test_a_host_that_may_be_allowed_is_a_name(host):
    with pytest.raises(ValueError, match="is no host that media may come from"):
        check_hosts([host])
    check_hosts(["a.org", "http://a-b.org", "[2606:4700::1111]"])
