"""One question to the DHT with libtorrent on loopback: put stores TEXT, get prints what is there.

With --key the item is a mutable one: that public key's, whose secret half comes from --seed.
"""

import argparse
import hashlib
import sys
import time

import libtorrent as lt

PATIENCE = 30


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["put", "get"])
    parser.add_argument("subject", nargs="?", help="the text to put, or the target of an immutable item to get")
    parser.add_argument("--node", metavar="ADDR:PORT", required=True, help="enter the DHT through this node")
    parser.add_argument("--key", metavar="HEX", help="the owner's public key")
    parser.add_argument("--seed", metavar="HEX", help="from which the owner's secret key is made")
    parser.add_argument("--salt", default="")
    return parser.parse_args()


def session(options):
    return lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "dht_bootstrap_nodes": "",
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_block_ratelimit": 1000,
            "alert_mask": lt.alert.category_t.all_categories,
        }
    )


def wait_for(client, kind, is_it):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        client.wait_for_alert(200)
        for alert in client.pop_alerts():
            if isinstance(alert, kind) and is_it(alert):
                return alert
    sys.exit(f"no {kind.__name__} in time")


def enter(client, options):
    """Waits until it knows the node. As one to bootstrap from, that would have no place in its table."""
    address, port = options.node.rsplit(":", 1)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # Before it has begun, it does not listen.
        client.add_dht_node((address, int(port)))
        client.post_session_stats()
        stats = wait_for(client, lt.session_stats_alert, lambda alert: True)
        if stats.values["dht.dht_nodes"] > 0:
            return
        time.sleep(0.1)
    sys.exit("no node of the DHT answers")


def secret_of(seed):
    """The expanded form that libtorrent wants."""
    secret = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
    secret[0] &= 248
    secret[31] = secret[31] & 63 | 64
    return bytes(secret)


def put(client, options):
    text = options.subject.encode()
    if options.key:
        key = bytes.fromhex(options.key)
        client.dht_put_mutable_item(secret_of(options.seed), key, text, options.salt.encode())
    else:
        print(client.dht_put_immutable_item(text), flush=True)
    wait_for(client, lt.dht_put_alert, lambda alert: alert.num_success > 0)


def get(client, options):
    if options.key:
        client.dht_get_mutable_item(bytes.fromhex(options.key), options.salt.encode())
        alert = wait_for(client, lt.dht_mutable_item_alert, lambda alert: alert.item)
    else:
        client.dht_get_immutable_item(lt.sha1_hash(bytes.fromhex(options.subject)))
        alert = wait_for(client, lt.dht_immutable_item_alert, lambda alert: alert.item)
    sys.stdout.buffer.write(value_of(alert.item))


def value_of(item):
    value = item["value"] if isinstance(item, dict) and "value" in item else item
    return value.encode() if isinstance(value, str) else value


def main():
    options = arguments()
    client = session(options)
    enter(client, options)
    {"put": put, "get": get}[options.what](client, options)


main()
