"""A libtorrent client for measurements, told what to do by its first argument:

seed TORRENT DIR PORT [RATE [best]]
                                prints `ready` and goes on until it is killed; sends RATE bytes a second at most, headers of
                                packets counted; `best`: with super-seeding and a slot for everybody
download TORRENT DIR HOST:PORT  ends when every byte is verified
swarm TORRENT DIR HOST:PORT LEECHES RATE
                                as many clients as LEECHES says, connected to each other and to the seed at HOST:PORT, each of
                                which sends RATE bytes a second at most; ends when all of them have everything
check TORRENT DIR HASHERS       ends when all pieces have passed; HASHERS is a number of threads, or 0 for the default
create DATA TORRENT             writes a v1 torrent with pieces of 1 MiB

All but the seed print one line of JSON: the seconds that passed and the processor seconds that they took, both counted from
after the interpreter's own start. The swarm adds how many bytes of payload came from the seed.
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


def add(torrent, folder, port, flags, settings={}, host="127.0.0.1"):
    here = {"listen_interfaces": f"{host}:{port}", "outgoing_interfaces": host}
    session = lt.session(QUIET | settings | here)
    session.set_peer_class_filter(everybody_counts())
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.trackers = []
    params.save_path = folder
    params.flags |= flags
    return session, session.add_torrent(params)


def everybody_counts():
    """Limits hold for peers on loopback too, which by default are left out."""
    classes = lt.ip_filter()
    classes.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
    return classes


def answers(port, info_hash):
    """Whether the torrent at this port takes connections: before it does, it closes them without a handshake."""
    hello = b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-HW0000-is it ready?"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(hello)
            return probe.recv(1) == hello[:1]
    except OSError:
        return False


def seed(torrent, folder, port, rate=0, how=""):
    flags, settings = lt.torrent_flags.seed_mode, {"upload_rate_limit": int(rate)}
    if how == "best":
        flags |= lt.torrent_flags.super_seeding
        settings["unchoke_slots_limit"] = -1
    _session, handle = add(torrent, folder, port, flags, settings)
    while not answers(int(port), handle.info_hash().to_bytes()):
        time.sleep(0.01)
    print("ready", flush=True)
    while True:
        time.sleep(3600)


def report(start, used, more={}):
    took = {"wall": time.monotonic() - start, "cpu": processor_seconds() - used}
    print(json.dumps(took | more), flush=True)


def download(torrent, folder, peer):
    start, used = time.monotonic(), processor_seconds()
    _session, handle = add(torrent, folder, 0, lt.torrent_flags.update_subscribe)
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
    while not handle.status().is_seeding:
        time.sleep(0.005)
    report(start, used)


def swarm(torrent, folder, peer, leeches, rate):
    start, used = time.monotonic(), processor_seconds()
    host, port = peer.rsplit(":", 1)
    addresses, clients = [(host, int(port))], []
    for number in range(int(leeches)):
        session, handle = leech(torrent, os.path.join(folder, f"leech-{number}"), f"127.0.1.{number + 1}", int(rate))
        for address in addresses:
            handle.connect_peer(address)
        addresses.append((f"127.0.1.{number + 1}", session.listen_port()))
        clients.append((session, handle))
    while not all(handle.status().is_seeding for _session, handle in clients):
        time.sleep(0.005)
    done = [handle.status() for _session, handle in clients]
    came, went = sum(one.total_payload_download for one in done), sum(one.total_payload_upload for one in done)
    report(start, used, {"from_seed": came - went})


def leech(torrent, folder, host, rate):
    os.makedirs(folder)
    session, handle = add(torrent, folder, 0, lt.torrent_flags.update_subscribe, {"upload_rate_limit": rate}, host)
    # It would wait for its turn.
    handle.unset_flags(lt.torrent_flags.auto_managed)
    handle.resume()
    while not session.listen_port():
        time.sleep(0.001)
    return session, handle


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
    jobs = {"seed": seed, "download": download, "swarm": swarm, "check": check, "create": create}
    jobs[sys.argv[1]](*sys.argv[2:])
