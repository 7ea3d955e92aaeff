"""The files of the page, as the package brings them, and the policy under which a browser runs them."""

import base64
import hashlib
import mimetypes
import re
from pathlib import Path

from starlette.responses import FileResponse, Response

from deploy.server.answers import RequestError

PAGE = Path(__file__).parent / "page"
_INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def policy(folder: Path = PAGE) -> str:
    """A Content-Security-Policy that loads nothing from elsewhere, and runs the inline scripts of index.html alone."""
    index = folder / "index.html"
    inline = _INLINE.findall(index.read_bytes()) if index.exists() else []
    hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(each).digest()).decode()}'" for each in inline)
    return (
        f"default-src 'self'; script-src 'self'{hashes}; img-src 'self' blob: data:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class PageFiles:
    """Answers with files of the page; every path without a dot is an address within the page."""

    def __init__(self, folder: Path = PAGE) -> None:
        self._folder = folder.resolve()
        self._files = {str(each.relative_to(self._folder)): each for each in self._folder.rglob("*") if each.is_file()}

    def __call__(self, path: str) -> Response:
        """path: without its first slash. Raises RequestError with 404."""
        name = path if "." in path else "index.html"
        # of a list, so that no path leads out of the folder
        file = self._files.get(name)
        if file is None or file.suffix == ".py":
            raise RequestError(404, "there is nothing at this path; the API is described at /api/openapi.json")
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file, media_type=kind, headers={"Cache-Control": "no-cache"})
