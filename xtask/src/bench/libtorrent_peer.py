"""A libtorrent client for measurements, told what to do by its first argument:

seed TORRENT DIR PORT           prints `ready` and goes on until it is killed
download TORRENT DIR HOST:PORT  ends when every byte is verified
check TORRENT DIR HASHERS       ends when all pieces have passed; HASHERS is a number of threads, or 0 for the default
create DATA TORRENT             writes a v1 torrent with pieces of 1 MiB

All but the seed print one line of JSON: the seconds that passed and the processor seconds that they took, both counted from
after the interpreter's own start.
"""

import json
import os
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


def add(torrent, folder, port, flags, settings={}):
    session = lt.session(QUIET | settings | {"listen_interfaces": f"127.0.0.1:{port}"})
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


def report(start, used):
    print(json.dumps({"wall": time.monotonic() - start, "cpu": processor_seconds() - used}), flush=True)


def download(torrent, folder, peer):
    start, used = time.monotonic(), processor_seconds()
    _session, handle = add(torrent, folder, 0, lt.torrent_flags.update_subscribe)
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
    while not handle.status().is_seeding:
        time.sleep(0.005)
    report(start, used)


def check(torrent, folder, hashers):
    start, used = time.monotonic(), processor_seconds()
    settings = {"hashing_threads": int(hashers)} if int(hashers) else {}
    _session, handle = add(torrent, folder, 0, lt.torrent_flags.update_subscribe, settings)
    while not (status := handle.status()).is_seeding:
        if status.state == lt.torrent_status.downloading:
            sys.exit("not all pieces have passed")
        time.sleep(0.005)
    report(start, used)


def create(data, torrent):
    start, used = time.monotonic(), processor_seconds()
    files = lt.file_storage()
    lt.add_files(files, data)
    maker = lt.create_torrent(files, 1 << 20, lt.create_torrent.v1_only)
    lt.set_piece_hashes(maker, os.path.dirname(data))
    with open(torrent, "wb") as file:
        file.write(lt.bencode(maker.generate()))
    report(start, used)


if __name__ == "__main__":
    {"seed": seed, "download": download, "check": check, "create": create}[sys.argv[1]](*sys.argv[2:])
