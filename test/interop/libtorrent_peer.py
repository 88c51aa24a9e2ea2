"""One libtorrent peer on loopback for the Go tests.

It prints JSON objects, one a line, pauses for good at a line on stdin, and ends when stdin closes:

    {"event": "listening", "port": 1234}
    {"event": "metadata", "info_hash_v1": "...", "info_hash_v2": "...", "name": "..."}
    {"event": "done", "bytes": 1, "seconds": 0.1, "vmhwm": 123}
    {"event": "peer", "encryption": "none", or "plain" behind an encrypted handshake, or "rc4"}
    {"event": "tracker", "url": "http://...", "peers": 1, "message": "..."}
    {"event": "tracker_error", "url": "http://...", "message": "..."}
    {"event": "error", "message": "..."}

`create` makes a .torrent instead, `info` describes one.
"""
import argparse
import json
import os
import sys
import threading
import time

import libtorrent as lt


def say(**fields):
    print(json.dumps(fields), flush=True)


def hashes(info):
    ih = info.info_hashes()
    return {
        "info_hash_v1": str(ih.v1) if ih.has_v1() else "",
        "info_hash_v2": str(ih.v2) if ih.has_v2() else "",
        "name": info.name(),
        "bytes": info.total_size(),
        "piece_length": info.piece_length(),
        "pieces": info.num_pieces(),
        "private": info.priv(),
        "files": [
            {"path": info.files().file_path(i), "length": info.files().file_size(i)}
            for i in range(info.num_files())
            if not info.files().file_flags(i) & lt.file_flags_t.flag_pad_file
        ],
        "trackers": [t.url for t in info.trackers()],
        "web_seeds": [w["url"] for w in info.web_seeds()],
        "comment": info.comment(),
    }


def memory_peak():
    """The largest resident size this process ever had, in bytes, and what of it is not a mapped file."""
    fields = {}
    with open("/proc/self/status") as f:
        for line in f:
            key, _, value = line.partition(":")
            if key in ("VmHWM", "RssAnon"):
                fields[key.lower()] = int(value.split()[0]) * 1024
    return fields


def create(args):
    storage = lt.file_storage()
    lt.add_files(storage, args.path)
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[args.format]
    torrent = lt.create_torrent(storage, args.piece_length, flags)
    for url in args.tracker:
        torrent.add_tracker(url)
    lt.set_piece_hashes(torrent, os.path.dirname(os.path.abspath(args.path)))
    with open(args.output, "wb") as f:
        f.write(lt.bencode(torrent.generate()))
    say(event="created", **hashes(lt.torrent_info(args.output)))


# libtorrent's words are forced, enabled and disabled; plaintext, rc4 and both.
ENCRYPTION = {
    "off": {"out_enc_policy": 2, "in_enc_policy": 2},
    "allowed": {"out_enc_policy": 1, "in_enc_policy": 1, "allowed_enc_level": 3, "prefer_rc4": False},
    "preferred": {"out_enc_policy": 1, "in_enc_policy": 1, "allowed_enc_level": 3, "prefer_rc4": True},
    "required": {"out_enc_policy": 0, "in_enc_policy": 0, "allowed_enc_level": 2, "prefer_rc4": True},
}


def encryption(info):
    if info.flags & lt.peer_info.rc4_encrypted:
        return "rc4"
    return "plain" if info.flags & lt.peer_info.plaintext_encrypted else "none"


def session(args):
    return lt.session({
        "listen_interfaces": ("[%s]:%d" if ":" in args.host else "%s:%d") % (args.host, args.listen),
        "outgoing_interfaces": args.host,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        **ENCRYPTION[args.encryption or "off"],
        "connection_speed": 100, "min_reconnect_time": 1, "announce_to_all_trackers": True,
        "close_redundant_connections": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.tracker_notification | lt.alert.category_t.storage_notification,
    })


pause = threading.Event()


def obey():
    for _ in sys.stdin:
        pause.set()
    os._exit(0)


def peer(args):
    ses = session(args)
    if args.torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(args.torrent)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(args.torrent)
    params.save_path = args.dir
    if not args.trackers:
        params.trackers = []
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if args.seed:
        params.flags |= lt.torrent_flags.seed_mode
    handle = ses.add_torrent(params)
    if not args.trackers and not args.torrent.startswith("magnet:"):
        handle.replace_trackers([])
    while ses.listen_port() == 0:
        time.sleep(0.01)
    say(event="listening", port=ses.listen_port())
    start = time.monotonic()
    for address in args.connect:
        host, _, port = address.rpartition(":")
        handle.connect_peer((host, int(port)))
    if args.rate:
        handle.set_upload_limit(args.rate)
    named = False
    met = set()
    done = None
    retry = start + 2
    while True:
        if pause.is_set():
            handle.pause()
        ses.wait_for_alert(20)
        for alert in ses.pop_alerts():
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.hash_failed_alert, lt.listen_failed_alert)):
                say(event="error", message=alert.message())
            elif isinstance(alert, lt.tracker_reply_alert):
                say(event="tracker", url=alert.tracker_url(), peers=alert.num_peers, message=alert.message())
            elif isinstance(alert, lt.tracker_error_alert):
                say(event="tracker_error", url=alert.tracker_url(), message=alert.message())
            elif isinstance(alert, lt.cache_flushed_alert) and done:
                say(**done)
            elif args.verbose:
                print(alert.message(), file=sys.stderr, flush=True)
        for p in handle.get_peer_info() if args.encryption else ():
            if not p.flags & (lt.peer_info.handshake | lt.peer_info.connecting) and p.ip not in met:
                met.add(p.ip)
                say(event="peer", encryption=encryption(p))
        status = handle.status()
        if status.has_metadata and not named:
            named = True
            say(event="metadata", **hashes(handle.torrent_file()))
        if status.is_seeding and not done:
            done = {"event": "done", "bytes": status.total_wanted_done, "seconds": time.monotonic() - start, **memory_peak()}
            handle.flush_cache()  # only then others see the files
        if done is None and time.monotonic() > retry and status.num_peers == 0:
            retry = time.monotonic() + 2
            for address in args.connect:
                host, _, port = address.rpartition(":")
                handle.connect_peer((host, int(port)))


def main():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers(dest="command", required=True)
    c = sub.add_parser("create")
    c.add_argument("path")
    c.add_argument("-o", "--output", required=True)
    c.add_argument("--format", choices=("v1", "v2", "hybrid"), default="hybrid")
    c.add_argument("--piece-length", type=int, default=0)
    c.add_argument("--tracker", action="append", default=[])
    i = sub.add_parser("info")
    i.add_argument("torrent")
    p = sub.add_parser("peer")
    p.add_argument("torrent", help="a .torrent or a magnet link")
    p.add_argument("dir")
    p.add_argument("--seed", action="store_true", help="trust the files in dir")
    p.add_argument("--host", default="127.0.0.1", help="the address to listen on and to connect from")
    p.add_argument("--listen", type=int, default=0)
    p.add_argument("--connect", action="append", default=[], metavar="HOST:PORT")
    p.add_argument("--trackers", action="store_true", help="announce to the torrent's trackers")
    p.add_argument("--encryption", choices=sorted(ENCRYPTION), help="says of each peer how it is encrypted; allowed is libtorrent's default")
    p.add_argument("--rate", type=int, default=0, help="upload at most so many bytes a second")
    p.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if args.command == "create":
        create(args)
    elif args.command == "info":
        say(event="info", **hashes(lt.torrent_info(args.torrent)))
    else:
        threading.Thread(target=obey, daemon=True).start()
        peer(args)


if __name__ == "__main__":
    main()
