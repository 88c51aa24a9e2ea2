"""Writes vectors.json next to this file with libtorrent's Python binding.

File number s has the content: block k of 16 KiB is the SHA-256 of the text
"s k", repeated. Each vector is a .torrent file, what it was made from, and what
libtorrent says about it.
"""
import base64
import hashlib
import json
import os
import sys
import tempfile

import libtorrent as lt

here = os.path.dirname(os.path.abspath(__file__))


def content(seed, size):
    blocks = []
    for k in range((size + 16383) // 16384):
        blocks.append(hashlib.sha256(b"%d %d" % (seed, k)).digest() * 512)
    return b"".join(blocks)[:size]


def make(case, version, name, files, piece_length):
    with tempfile.TemporaryDirectory() as tmp:
        storage = lt.file_storage()
        for path, size, seed in files:
            full = os.path.join(tmp, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(content(seed, size))
            storage.add_file(path, size)
        flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[version]
        torrent = lt.create_torrent(storage, piece_length, flags)
        torrent.set_creator("libtorrent")
        lt.set_piece_hashes(torrent, tmp)
        data = torrent.generate()
        del data[b"creation date"]
        data = lt.bencode(data)
    info = lt.torrent_info(lt.bdecode(data))
    hashes = info.info_hashes()
    return {
        "case": case,
        "version": version,
        "name": name,
        "piece_length": piece_length,
        "files": [{"path": p.split("/")[1:] or [p], "size": n, "seed": s} for p, n, s in files],
        "v1": str(hashes.v1) if hashes.has_v1() else "",
        "v2": str(hashes.v2) if hashes.has_v2() else "",
        "pieces": info.num_pieces(),
        "total": info.total_size(),
        "torrent": base64.b64encode(data).decode(),
    }


K = 16384
cases = [("size-%d" % n, "f.bin", [("f.bin", n, 1)], p) for n, p in (
    (1, K), (K - 1, K), (K, K), (K + 1, K),
    (1, 4 * K), (K + 1, 4 * K), (3 * K, 4 * K), (4 * K, 4 * K), (4 * K + 1, 4 * K), (12 * K, 4 * K), (13 * K + 7, 4 * K),
)]
cases = [(c + "-of-%d" % p, name, files, p) for c, name, files, p in cases]
cases.append(("pieces-512", "f.bin", [("f.bin", 512 * K, 2)], K))
cases.append(("pieces-513", "f.bin", [("f.bin", 512 * K + 1, 2)], K))
cases.append(("folder-one", "d", [("d/a", 3 * K, 1)], 2 * K))
cases.append(("folder", "d", [
    ("d/a", 0, 0), ("d/b", 1, 1), ("d/c", K - 1, 2), ("d/d", K, 3), ("d/e", K + 1, 4),
    ("d/f/g", 2 * K, 5), ("d/f/h", 2 * K + 1, 6), ("d/i/j/k", 6 * K, 7), ("d/i/j/l", 0, 0),
    ("d/i/m", 9 * K + 5, 8), ("d/n", 9 * K + 5, 8), ("d/o", 0, 0),
], 2 * K))

vectors = []
for case, name, files, p in cases:
    for version in ("v1", "v2", "hybrid"):
        if case.startswith("pieces-") and version == "v1":
            continue
        vectors.append(make(case, version, name, files, p))
with open(os.path.join(here, "vectors.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(v) for v in vectors) + "\n]\n")
print(len(vectors), "vectors by libtorrent", lt.__version__, file=sys.stderr)
