"""One libtorrent client with one torrent, on loopback.

Prints "found pex", "found lsd" or "found dht" when it is connected to somebody whom it found that way, "ready" when it accepts peers (and has checked its data, if it seeds) and "done" when it has all that it wants.
Ends when its standard input does.
"""

import argparse
import select
import sys
import time

import libtorrent as lt


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("torrent", help="a torrent file, or a magnet link")
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", action="store_true", help="the data is there")
    parser.add_argument("--peer", metavar="ADDR:PORT", help="connect to this peer")
    parser.add_argument("--ip", default="127.0.0.1", help="listen there")
    parser.add_argument("--find", choices=["pex", "lsd", "dht"], help="find peers this way")
    parser.add_argument("--node", metavar="ADDR:PORT", help="enter the DHT through this node")
    parser.add_argument("--max-down", type=int, metavar="KIB", default=0, help="receive no more a second")
    parser.add_argument("--skip", type=int, metavar="FILE", help="do not download this file, counted from 0")
    return parser.parse_args()


def session(options):
    return lt.session(
        {
            "listen_interfaces": f"{options.ip}:{options.port}",
            "enable_dht": options.find == "dht",
            "dht_bootstrap_nodes": options.node or "",
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_block_ratelimit": 1000,
            "enable_lsd": options.find == "lsd",
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "allow_multiple_connections_per_ip": True,
            # Two that hear of each other at the same time dial each other, and may part again.
            "min_reconnect_time": 2,
            "alert_mask": lt.alert.category_t.all_categories,
        }
    )


def add(client, options):
    if options.torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(options.torrent)
    else:
        params = lt.load_torrent_file(options.torrent)
    params.save_path = options.folder
    flags = lt.torrent_flags
    params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
    if options.find == "pex":
        params.flags &= ~flags.disable_pex
    if options.find == "dht":
        params.flags &= ~flags.disable_dht
    if options.find == "lsd":
        params.flags &= ~flags.disable_lsd
    params.download_limit = options.max_down * 1024
    if options.skip is not None:
        priorities = [4] * params.ti.num_files()
        priorities[options.skip] = 0
        params.file_priorities = priorities
    return client.add_torrent(params)


def is_checked(status):
    states = lt.torrent_status.states
    return status.state in (states.downloading_metadata, states.downloading, states.finished, states.seeding)


def main():
    options = arguments()
    client = session(options)
    torrent = add(client, options)
    source = {"pex": lt.peer_info.pex, "lsd": lt.peer_info.lsd, "dht": lt.peer_info.dht}.get(options.find, 0)
    announced = 0
    is_ready = is_done = has_found = False
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        status = torrent.status()
        if options.node and not has_found and time.monotonic() > announced + 2:
            # What it does by itself comes late.
            announced = time.monotonic()
            torrent.force_dht_announce()
        if not is_ready and is_checked(status):
            if options.seed and not status.is_seeding:
                sys.exit("the data is not there")
            if options.peer:
                address, port = options.peer.rsplit(":", 1)
                torrent.connect_peer((address, int(port)))
            is_ready = True
            print("ready", flush=True)
        if is_ready and not is_done and status.is_finished and status.has_metadata:
            is_done = True
            print("done", flush=True)
        if not has_found and any(peer.source & source for peer in torrent.get_peer_info()):
            has_found = True
            print("found", options.find, flush=True)
        for alert in client.pop_alerts():
            if alert.category() & (lt.alert.category_t.error_notification | lt.alert.category_t.tracker_notification | lt.alert.category_t.connect_notification):
                print(alert, flush=True)


main()
