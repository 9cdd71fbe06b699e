"""A libtorrent client for measurements: `seed TORRENT DIR PORT` or `download TORRENT DIR HOST:PORT`.

A seed prints `ready` and goes on until it is killed. A download prints one line of JSON when every byte is verified: the
seconds that passed and the processor seconds that it took, both counted from after the interpreter's own start.
"""

import json
import resource
import socket
import sys
import time

import libtorrent as lt

QUIET = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    # Plain TCP on both sides, as the peer at the other end speaks it.
    "out_enc_policy": 2,
    "in_enc_policy": 2,
    "alert_mask": 0,
}


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def add(torrent, folder, port, flags):
    session = lt.session(QUIET | {"listen_interfaces": f"127.0.0.1:{port}"})
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.trackers = []
    params.save_path = folder
    params.flags |= flags
    return session, session.add_torrent(params)


def answers(port, info_hash):
    """Whether the torrent at this port takes connections: before it does, it closes them without a handshake."""
    hello = b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-HW0000-is it ready?"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(hello)
            return probe.recv(1) == hello[:1]
    except OSError:
        return False


def seed(torrent, folder, port):
    _session, handle = add(torrent, folder, port, lt.torrent_flags.seed_mode)
    while not answers(int(port), handle.info_hash().to_bytes()):
        time.sleep(0.01)
    print("ready", flush=True)
    while True:
        time.sleep(3600)


def download(torrent, folder, peer):
    start, used = time.monotonic(), processor_seconds()
    _session, handle = add(torrent, folder, 0, lt.torrent_flags.update_subscribe)
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
    while not handle.status().is_seeding:
        time.sleep(0.005)
    print(json.dumps({"wall": time.monotonic() - start, "cpu": processor_seconds() - used}), flush=True)


if __name__ == "__main__":
    {"seed": seed, "download": download}[sys.argv[1]](*sys.argv[2:])
