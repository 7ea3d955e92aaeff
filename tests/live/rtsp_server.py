"""GStreamer's RTSP server, run by the system's Python, which has its binding.

/usr/bin/python3 rtsp_server.py HOST PORT FOLDER prints "ready", and serves each FOLDER/NAME.mp4 (H.264) in real time,
from its beginning to every client, as rtsp://HOST:PORT/NAME until killed.
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402, the versions come first


def main(host, port, folder):
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address(host)
    server.set_service(port)
    for path in Path(folder).glob("*.mp4"):
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(
            f"( filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )
        server.get_mount_points().add_factory(f"/{path.stem}", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


main(*sys.argv[1:])
