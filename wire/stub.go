package wire

// The bodies follow as soon as package bencode is there.

// Append appends the bencoded handshake to dst.
func (h *ExtHandshake) Append(dst []byte) []byte { panic("wire: not there yet") }

// ParseExtHandshake reads the payload of an Extended message with ExtID 0.
func ParseExtHandshake(b []byte) (*ExtHandshake, error) { panic("wire: not there yet") }

// ID returns the id that the handshake gives to the extension name. ok tells
// an extension that is switched off (id 0) from one that is not mentioned.
func (h *ExtHandshake) ID(name string) (id uint8, ok bool) { panic("wire: not there yet") }

// Append appends the message to dst.
func (m *MetadataMessage) Append(dst []byte) []byte { panic("wire: not there yet") }

// ParseMetadata reads the payload of a ut_metadata message. Data aliases b.
func ParseMetadata(b []byte) (MetadataMessage, error) { panic("wire: not there yet") }

// Append appends the bencoded message to dst.
func (p *PEX) Append(dst []byte) []byte { panic("wire: not there yet") }

// ParsePEX reads the payload of a ut_pex message.
func ParsePEX(b []byte) (PEX, error) { panic("wire: not there yet") }

// AppendDontHave appends the payload of an lt_donthave message to dst.
func AppendDontHave(dst []byte, index uint32) []byte { panic("wire: not there yet") }

// ParseDontHave reads the payload of an lt_donthave message.
func ParseDontHave(b []byte) (index uint32, err error) { panic("wire: not there yet") }

// AppendUploadOnly appends the payload of an upload_only message to dst.
func AppendUploadOnly(dst []byte, on bool) []byte { panic("wire: not there yet") }

// ParseUploadOnly reads the payload of an upload_only message.
func ParseUploadOnly(b []byte) (on bool, err error) { panic("wire: not there yet") }
