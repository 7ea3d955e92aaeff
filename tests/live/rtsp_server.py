"""GStreamer's RTSP server, run by the system's Python, which has its binding.

/usr/bin/python3 rtsp_server.py HOST PORT FOLDER [PEM] prints "ready", and serves each FOLDER/NAME.mp4 (H.264) in real
time, from its beginning to every client, as rtsp://HOST:PORT/NAME until killed. PEM: a certificate with its key, with
which it serves rtsps:// instead.
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402, the versions come first


def main(host, port, folder, pem=None):
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address(host)
    server.set_service(port)
    for path in Path(folder).glob("*.mp4"):
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(
            f"( filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )
        if pem is not None:
            anyone = Gst.Structure.new_empty("anyone")
            anyone.set_value("media.factory.access", True)
            anyone.set_value("media.factory.construct", True)
            factory.add_role_from_structure(anyone)
        server.get_mount_points().add_factory(f"/{path.stem}", factory)
    if pem is not None:
        server.set_auth(_secured(pem))
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


def _secured(pem):
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "anyone")
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(pem))
    auth.set_default_token(token)
    return auth


main(*sys.argv[1:])
