// Package webseed decides what to ask one HTTP server for that has a torrent's content.
//
// A server of files (BEP 19) is asked for ranges of them, a server of pieces
// (BEP 17) for pieces. To the torrent's machine either is a peer: it requests
// blocks, and this machine turns what was requested into flights, runs of blocks
// that lie behind each other, each fetched by one HTTP request a file:
//
//	BEP 19  GET <url>                                     Range: bytes=<first>-<last>    one file, url not ending in /
//	        GET <url><name>                               Range: ...                     one file
//	        GET <url>/<name>/<path element>/...           Range: ...                     a folder
//	BEP 17  GET <url>?info_hash=<20 bytes, escaped>&piece=<index>&ranges=<first>-<last>
//
// Servers that ask for rest get it, those that fail are tried again after ever
// longer rests, and those whose answers cannot be right are given up with a
// reason in plain words. Whether the bytes are genuine is found out where every
// peer's bytes are checked.
package webseed
