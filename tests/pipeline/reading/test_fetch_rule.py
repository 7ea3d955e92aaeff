"""Which hosts are asked for a source: catches a lake, or a redirection, that makes this machine ask private ones."""

from ipaddress import ip_address

import pytest

from pipeline.reading.fetch_rule import DownloadConfig, FetchRule, allow, is_public
from schemas.errors import InvalidValueError, SourceError

PRIVATE = "127.0.0.1 10.0.0.7 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255"
PRIVATE += " :: ::1 fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.7 64:ff9b::a00:7 2002:a00:7::1"
PUBLIC = "93.184.216.34 2606:2800:220:1:248:1893:25c8:1946 ::ffff:93.184.216.34 64:ff9b::5db8:d822"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_in_any_notation_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_lake_reaches_no_host_that_the_user_did_not_name() -> None:
    nobody, one = FetchRule(of_lake=True), FetchRule(of_lake=True, allowed=allow(["Media.Example.org."]))
    for rule in (nobody, one):
        with pytest.raises(SourceError, match=r"--fetch elsewhere\.example"):
            rule.require_host("elsewhere.example", [ip_address("93.184.216.34")], named="elsewhere.example")
        with pytest.raises(SourceError, match="--fetch s3://bucket"):
            rule.require_source("s3://bucket/a.mp4")
    public, private = ip_address("93.184.216.34"), ip_address("10.0.0.7")
    assert one.require_host("media.example.org", [private, public], named="media.example.org") == [public]
    with pytest.raises(SourceError, match=r"is at 10\.0\.0\.7: a private address.*--fetch 10\.0\.0\.7"):
        one.require_host("media.example.org", [private], named="media.example.org")
    both = FetchRule(of_lake=True, allowed=allow(["media.example.org", "10.0.0.7"]))
    assert both.require_host("media.example.org", [private], named="media.example.org") == [private]


def test_a_lake_reaches_only_buckets_that_the_user_named() -> None:
    rule = FetchRule(of_lake=True, allowed=allow(["s3://bucket"]))
    rule.require_source("s3://bucket/a.mp4")
    rule.require_source("/videos/a.mp4")
    for address in ("s3://bucket2/a.mp4", "s3://x@other/a.mp4", "gs://bucket/a.mp4", "rtsp://10.0.0.5/stream"):
        with pytest.raises(SourceError, match="was not allowed"):
            rule.require_source(address)
    with pytest.raises(SourceError):
        FetchRule(of_lake=True, allowed=allow(["zip://a.mp4::s3:"])).require_source("zip://a.mp4::s3://bucket/a.zip")


def test_a_source_of_the_user_is_asked_wherever_it_is_but_leads_to_no_private_host() -> None:
    own, private = FetchRule(), ip_address("10.0.0.7")
    own.require_source("s3://bucket/a.mp4")
    assert own.require_host("nas.local", [private], named="nas.local") == [private]
    with pytest.raises(SourceError, match=r"cdn\.example redirects there: nas\.local is at 10\.0\.0\.7"):
        own.require_host("nas.local", [private], named="cdn.example")
    public = ip_address("93.184.216.34")
    assert own.require_host("mirror.example", [public], named="cdn.example") == [public]


def test_wrong_names_of_hosts_and_wrong_limits_are_named() -> None:
    for name in ("", "http://", "[bad"):
        with pytest.raises(InvalidValueError, match="--fetch takes a host"):
            allow([name])
    with pytest.raises(InvalidValueError, match="max_bytes"):
        DownloadConfig(max_bytes=0)
