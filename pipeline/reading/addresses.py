"""Addresses of sources: whether they are remote, and which part of them may be stored and shown."""

import re
from urllib.parse import unquote

from schemas.file_names import path_of_uri, printable, uri_of_path

# Parameters of a URL's query, in small letters without - and _, that are credentials or parts of a signature.
_SECRET_PARTS = (
    *("token", "signature", "credential", "secret", "password", "passwd", "passphrase", "apikey", "accesskey"),
    *("accessid", "privatekey", "sessionid", "jwt", "xamz", "xgoog"),
)
_SECRET_NAMES = frozenset(
    "sig sign key code auth authkey authorization bearer pwd pass psw user usr username login session sid hmac policy "
    "keypairid expires xossdate xossexpires hdnts hdnea".split()
)
# Parts of an Azure signature, which change with each signing; removed only beside `sig`, as the names are so short.
_AZURE_NAMES = frozenset("sv ss srt sp se st spr sr sip si sdd skoid sktid skt ske sks skv saoid suoid scid".split())
_WITH_QUERY = frozenset("http https rtsp rtsps rtmp rtmps rtp udp tcp srt".split())
_BOX_AT_ACCOUNT = frozenset("abfs abfss az wasb wasbs".split())  # the part before @ is not a user there
# the user in a URL within a URL
_INNER_USER = re.compile(r"((?::|%3a)(?:/|%2f){2})(?:(?!%2f)[^/?#&;])*(?:@|%40)", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+]*://[^\s'\"<>]+", re.IGNORECASE)
_CHAIN = re.compile(r"::(?=[a-z0-9+]+://)", re.IGNORECASE)


def is_remote(name: str) -> bool:
    """Whether a name is a URL, of any scheme but `file:` on this machine, and not a path."""
    return "://" in path_of_uri(name)


def is_http(address: str) -> bool:
    return address.partition("://")[0].lower() in ("http", "https")


def public_uri(address: str) -> str:
    """An address without its credentials, which can be stored: a path that is not UTF-8 becomes a `file:` URI.

    For `http(s)://` and streams, the user, the fragment (which no server sees) and the parameters of the query that
    are known to contain credentials or signatures are omitted; the other parameters distinguish files. For `s3://` and
    the like only the user is omitted: `?` and `#` are characters of a key.
    """
    if not is_remote(address):
        return uri_of_path(address) if address.startswith("/") else printable(address)
    # without urlsplit, which raises on malformed addresses; these must be shown too
    return "::".join(_public_link(link) for link in _CHAIN.split(printable(address)))  # zip://a.mp4::https://host/a.zip


def _public_link(link: str) -> str:
    scheme, colon, rest = link.partition("://")
    if scheme.lower() in _WITH_QUERY:
        rest, _, query = rest.partition("#")[0].partition("?")
        query = _public_query(query)
        rest = _INNER_USER.sub(r"\1", rest + ("?" + query if query else ""))
    authority, slash, path = rest.partition("/")
    if scheme not in _BOX_AT_ACCOUNT:
        authority = authority.rpartition("@")[2]
    return scheme + colon + authority + slash + path


def _public_query(query: str) -> str:
    parameters = re.findall("[^&;]+[&;]?", query)
    names = [re.sub("[-_]", "", unquote(p.rstrip("&;").partition("=")[0]).lower()) for p in parameters]
    secret = _SECRET_NAMES | _AZURE_NAMES if "sig" in names else _SECRET_NAMES
    public = [
        p
        for name, p in zip(names, parameters, strict=True)
        if name not in secret and not any(part in name for part in _SECRET_PARTS)
    ]
    return query if len(public) == len(parameters) else "".join(public).rstrip("&;")


def public_reason(error: BaseException, address: str) -> str:
    """The error's message without the credentials of this address, or of any other that the message quotes."""
    text = (str(error) or type(error).__name__).replace(address, public_uri(address))
    return _URL.sub(
        lambda url: public_uri(url[0]), printable(text)
    )  # of a redirection, or ours in a library's spelling
