"""Pages for people: the API document in two forms, and what each problem means.  Everything is served by us; nothing is inline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from infrastructure.http import problems
from infrastructure.http.call import Reply
from infrastructure.http.documents import PublicCall
from infrastructure.http.routing import Router, access


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None, "it is in the lock file"
    assert spec.origin is not None, "it is a package with an __init__"
    return Path(spec.origin).parent


ASSETS = _package_folder("fastapi_offline") / "static"  # the viewers' files; importing the package would change FastAPI
TYPES = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8", ".png": b"image/png"}
HTML = [(b"content-type", b"text/html; charset=utf-8")]
SWAGGER = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Trialog API</title>
<link rel="stylesheet" href="/assets/swagger-ui.css"><link rel="icon" href="/assets/favicon.png"></head>
<body><div id="swagger-ui"></div>
<script src="/assets/swagger-ui-bundle.js"></script>
<script src="/assets/start-swagger.js"></script></body></html>"""
REDOC = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Trialog API</title>
<link rel="icon" href="/assets/favicon.png"></head>
<body><div id="redoc"></div>
<script src="/assets/sheets.js"></script>
<script src="/assets/redoc.standalone.js"></script>
<script src="/assets/start-redoc.js"></script></body></html>"""
# ReDoc puts its rules into style elements that it makes, which the strict policy forbids, empty ones too.  It gets sheets of
# scripts instead, which are no inline style: under the same policy as every other answer the page looks as it should.
SHEETS = b"""{
  const make = document.createElement.bind(document);
  document.createElement = (name, options) => {
    if (String(name).toLowerCase() !== "style") return make(name, options);
    const sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    const stand = make("meta");
    let text = "";
    stand.appendChild = (node) => { sheet.replaceSync((text += node.data ?? "")); return node; };
    return Object.defineProperty(stand, "sheet", {value: sheet});
  };
}
"""
# Its search runs in a worker made of a blob, which the policy forbids as well: the page is one, and browsers search pages.
OURS = {
    "sheets.js": SHEETS,
    "start-swagger.js": b'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: true});',
    "start-redoc.js": b'Redoc.init("/openapi.json", {disableSearch: true}, document.getElementById("redoc"));',
}
ELSEWHERE = b"https://cdn.redoc.ly/redoc/logo-mini.svg"  # a picture that ReDoc would fetch from its makers


def pages_router(document: Callable[[], bytes], whole: Callable[[], bytes]) -> Router:
    """The pages, showing what `document()` gives; `whole()` is that of both APIs, for a gateway in another process."""
    router = Router(include_in_schema=False)

    @router.get("/docs")
    @access(public=True)
    async def docs(call: PublicCall) -> Reply:
        return Reply(200, SWAGGER, [*HTML])

    @router.get("/redoc")
    @access(public=True)
    async def redoc(call: PublicCall) -> Reply:
        return Reply(200, REDOC, [*HTML])

    @router.get("/openapi.json")
    @access(public=True)
    async def openapi(call: PublicCall) -> Reply:
        return Reply(200, document(), [(b"content-type", b"application/json")])

    @router.get("/openapi/whole.json")
    @access(public=True)
    async def openapi_of_both(call: PublicCall) -> Reply:
        return Reply(200, whole(), [(b"content-type", b"application/json")])

    @router.get("/assets/{name}")
    @access(public=True)
    async def asset(name: str, call: PublicCall) -> Reply:
        if (body := _asset(name)) is None:
            raise problems.RouteNotFound
        return Reply(200, body, [(b"content-type", TYPES[Path(name).suffix]), (b"cache-control", b"public, max-age=86400")])

    @router.get("/problems/{slug}")
    @access(public=True)
    async def problem(slug: str, call: PublicCall) -> Reply:
        if (body := problems.page(slug)) is None:
            raise problems.RouteNotFound
        return Reply(200, body.encode(), [*HTML])

    return router


@cache
def _asset(name: str) -> bytes | None:
    if name in OURS:
        return OURS[name]
    known = {path.name: path for path in ASSETS.iterdir() if path.suffix in TYPES}
    return known[name].read_bytes().replace(ELSEWHERE, b"/assets/favicon.png") if name in known else None
