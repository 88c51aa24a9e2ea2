package wire

import "net/netip"

// ExtHandshakeID is the extension id of the extension handshake.
const ExtHandshakeID = 0

// The names of the extensions that this package has codecs for.
const (
	ExtMetadata   = "ut_metadata" // BEP 9
	ExtPEX        = "ut_pex"      // BEP 11
	ExtDontHave   = "lt_donthave" // BEP 54
	ExtUploadOnly = "upload_only" // libtorrent's message for BEP 21
)

// Extension is a name of the handshake's m dictionary with the id under which
// the sender wants to receive it; 0 switches it off.
type Extension struct {
	Name string
	ID   uint8
}

// ExtHandshake is the message in which a peer names its extensions (BEP 10).
// Fields that are absent or make no sense are zero.
type ExtHandshake struct {
	M            []Extension // sorted by name, each once
	V            string      // client name and version, at most 100 bytes
	ReqQ         int         // requests the sender keeps queued
	MetadataSize int         // bytes of the info dictionary (BEP 9)
	Port         int         // TCP port the sender listens on
	YourIP       netip.Addr  // the receiver's address as the sender sees it
	IPv4, IPv6   netip.Addr  // the sender's own addresses
	UploadOnly   bool        // the sender wants no pieces (BEP 21)
}

// MetadataType is the kind of a ut_metadata message.
type MetadataType uint8

// The kinds of BEP 9. A message of another kind parses as MetadataUnknown and
// is to be ignored.
const (
	MetadataRequest MetadataType = 0
	MetadataData    MetadataType = 1
	MetadataReject  MetadataType = 2
	MetadataUnknown MetadataType = 255
)

// MetadataPieceSize is the size of all pieces of the metadata but the last.
const MetadataPieceSize = 16 << 10

// MaxMetadataSize is the largest info dictionary that is accepted, in bytes.
const MaxMetadataSize = 32 << 20

// MetadataMessage is a ut_metadata message (BEP 9).
type MetadataMessage struct {
	Type      MetadataType
	Piece     int
	TotalSize int    // bytes of the whole metadata, MetadataData only
	Data      []byte // MetadataData only
}

// The flags of a PEX peer (BEP 11).
const (
	PEXEncryption = 0x01 // prefers encryption
	PEXUploadOnly = 0x02 // seed
	PEXUTP        = 0x04 // speaks uTP
	PEXHolepunch  = 0x08 // speaks ut_holepunch
	PEXOutgoing   = 0x10 // can be reached
)

// PEXPeer is a peer in a PEX message.
type PEXPeer struct {
	Addr  netip.AddrPort
	Flags byte // 0 for dropped peers
}

// MaxPEXPeers is the number of added, likewise of dropped, peers of one
// message that is accepted. BEP 11 asks for 50 after the first message;
// libtorrent sends 100.
const MaxPEXPeers = 500

// PEX is a ut_pex message (BEP 11).
type PEX struct {
	Added, Dropped []PEXPeer
}
