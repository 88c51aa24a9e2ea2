// Package wire encodes and decodes the BitTorrent peer wire protocol.
//
// The handshake (BEP 3, "peer protocol") is 68 bytes:
//
//	 0  1  length of the protocol name, 19
//	 1 19  "BitTorrent protocol"
//	20  8  reserved bits: [5]&0x10 extensions (BEP 10), [7]&0x01 DHT (BEP 5),
//	       [7]&0x04 fast (BEP 6), [7]&0x10 v2 (BEP 52, "upgrade path")
//	28 20  info hash, for v2 the first 20 bytes of it
//	48 20  peer id
//
// After it, each direction is a sequence of frames. All numbers are big-endian:
//
//	0  4  n, the number of bytes that follow; 0 is a keep-alive
//	4  1  message id
//	5 n-1 body
//
//	id  name            body                                    spec
//	 0  choke           -                                       BEP 3
//	 1  unchoke         -                                       BEP 3
//	 2  interested      -                                       BEP 3
//	 3  not interested  -                                       BEP 3
//	 4  have            index u32                               BEP 3
//	 5  bitfield        bits, piece 0 in the highest bit        BEP 3
//	 6  request         index u32, begin u32, length u32        BEP 3
//	 7  piece           index u32, begin u32, data              BEP 3
//	 8  cancel          index u32, begin u32, length u32        BEP 3
//	 9  port            port u16                                BEP 5
//	13  suggest         index u32                               BEP 6
//	14  have all        -                                       BEP 6
//	15  have none       -                                       BEP 6
//	16  reject          index u32, begin u32, length u32        BEP 6
//	17  allowed fast    index u32                               BEP 6
//	20  extended        extension id u8, payload                BEP 10
//	21  hash request    root [32], base layer u32, index u32,   BEP 52
//	                    length u32, proof layers u32
//	22  hashes          as 21, then hashes [32] each            BEP 52
//	23  hash reject     as 21                                   BEP 52
//
// A frame with another id is handed on with its body, for the caller to
// ignore: new messages must not break old peers.
//
// Extended payloads are bencoded: the handshake (extension id 0, BEP 10),
// ut_metadata (BEP 9), ut_pex (BEP 11). lt_donthave (BEP 54) is an index u32,
// upload_only (the message that goes with BEP 21) is one byte, 0 or 1.
//
// What depends on the torrent (is the index in range, was the block requested)
// is not checked here.
package wire
