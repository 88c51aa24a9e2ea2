"""Reads .torrent files with shoal and with libtorrent, and says where they differ.

    python3 test/interop/compare_torrents.py bin/shoal FOLDER

What is compared: info hashes, and the names, sizes and symbolic links of all files
after both have sanitised them. Exit code 1 if anything differs.
"""

import glob
import json
import os
import subprocess
import sys

import libtorrent as lt


def of_libtorrent(path):
    try:
        info = lt.torrent_info(path)
    except RuntimeError:
        return None
    files, hashes = info.files(), info.info_hashes()
    out = {
        "v1": str(hashes.v1) if hashes.has_v1() else "",
        "v2": str(hashes.v2) if hashes.has_v2() else "",
        "name": info.name(), "files": [], "links": [],
    }
    for i in range(files.num_files()):
        flags, name = files.file_flags(i), files.file_path(i)
        if flags & lt.file_flags_t.flag_symlink:
            if files.symlink(i) != name:  # so it marks links that lead nowhere
                out["links"].append([name, files.symlink(i)])
        elif not flags & lt.file_flags_t.flag_pad_file:
            out["files"].append([name, files.file_size(i)])
    return out


def of_shoal(shoal, path):
    p = subprocess.run([shoal, "info", "--json", path], capture_output=True)
    if p.returncode:
        return None
    o = json.loads(p.stdout)

    def full(path):
        return path if one else o["name"] + "/" + path
    one = len(o["files"]) == 1 and o["files"][0]["path"] == o["name"] and not o.get("symlinks")
    return {
        "v1": o.get("info_hash", ""), "v2": o.get("info_hash_v2", ""), "name": o["name"],
        "files": [[full(f["path"]), f["length"]] for f in o["files"]],
        "links": [[full(l["path"]), full(l["target"])] for l in o.get("symlinks", [])],
    }


def main():
    shoal, folder = sys.argv[1:]
    same = refused = differ = 0
    for path in sorted(glob.glob(os.path.join(folder, "*.torrent"))):
        a, b = of_libtorrent(path), of_shoal(shoal, path)
        if a == b:
            same, refused = same + (a is not None), refused + (a is None)
            continue
        differ += 1
        print(os.path.basename(path))
        if a is None or b is None:
            print("  refused by", "libtorrent" if a is None else "shoal")
            continue
        for key in a:
            if a[key] != b[key]:
                print("  %s: libtorrent %s, shoal %s" % (key, a[key], b[key]))
    print("%d same, %d refused by both, %d differ" % (same, refused, differ))
    return 1 if differ else 0


sys.exit(main())
