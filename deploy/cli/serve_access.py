"""Who may ask a service, from the options of `regionlake serve`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from schemas.errors import InvalidValueError, PlanError

if TYPE_CHECKING:
    from deploy.server.guard import Access


def certificate_of(tls_cert: Path | None, tls_key: Path | None) -> tuple[Path, Path] | None:
    """The files of a certificate and its key, which are read once: a mistake is better found now than by a client."""
    if tls_cert is None and tls_key is None:
        return None
    if tls_cert is None or tls_key is None:
        missing = "--tls-cert" if tls_cert is None else "--tls-key"
        raise typer.BadParameter("a certificate and its key are given together", param_hint=missing)
    import ssl

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls_cert, tls_key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise typer.BadParameter(f"{tls_cert} and {tls_key} cannot be used: {error}", param_hint="--tls-cert") from None
    return tls_cert, tls_key


def chosen_access(
    host: str,
    names: list[str],
    *,
    users: Path | None,
    token_file: Path | None,
    tls: bool,
    proxies: list[str],
    plain_http: bool,
) -> "Access":
    """Who may ask. Refuses what would let others ask without a login, or read what is sent on its way."""
    from deploy.server.access.transport import Transport, networks_of
    from deploy.server.access.users_file import UsersFile
    from deploy.server.guard import access_of, is_loopback

    try:
        transport = Transport(tls=tls, proxies=networks_of(proxies))
    except InvalidValueError as error:
        raise typer.BadParameter(str(error), param_hint="--behind-proxy") from None
    login = users is not None or token_file is not None
    if not login and (proxies or not is_loopback(host)):
        option, reached = ("--behind-proxy", "the proxy") if proxies else ("--host", host)
        raise typer.BadParameter(
            f"whoever reaches {reached} could search the lake and see its pictures; give --users FILE or "
            "--token-file FILE as well",
            param_hint=option,
        )
    if not is_loopback(host) and not transport.secure and not plain_http:
        raise typer.BadParameter(
            f"whoever is between {host} and a client could read tokens and pictures; give --tls-cert and --tls-key, or "
            "--behind-proxy ADDRESS, or say --plain-http",
            param_hint="--host",
        )
    listed = None
    if users is not None:
        listed = UsersFile(users)
        if not listed.read() and token_file is None:
            raise PlanError(f"{users} has no user; add one: regionlake users add NAME --role admin --users {users}")
    return access_of(host, allowed=names, token=_token(token_file), users=listed, transport=transport)


def _token(file: Path | None) -> str | None:
    from deploy.server.guard import read_token

    if file is None:
        return None
    try:
        return read_token(file.read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--token-file") from None


def _no_password() -> str:
    raise ValueError("the key has a passphrase, which nobody can type; give a key without one")
