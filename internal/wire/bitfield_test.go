package wire

import "testing"

func TestCheckBitfield(t *testing.T) {
	for _, c := range []struct {
		name   string
		bits   []byte
		pieces int
		want   error
	}{
		{"none", nil, 0, nil},
		{"one", []byte{0x80}, 1, nil},
		{"eight", []byte{0xff}, 8, nil},
		{"nine", []byte{0xff, 0x80}, 9, nil},
		{"fifteen", []byte{0xff, 0xfe}, 15, nil},
		{"too short", []byte{0xff}, 9, ErrBitfieldSize},
		{"too long", []byte{0xff, 0x00}, 8, ErrBitfieldSize},
		{"empty", nil, 1, ErrBitfieldSize},
		{"bits of nothing", []byte{0}, 0, ErrBitfieldSize},
		{"no torrent has fewer", nil, -1, ErrBitfieldSize},
		{"first spare bit", []byte{0x40}, 1, ErrBitfieldSpare},
		{"last spare bit", []byte{0xff, 0x01}, 15, ErrBitfieldSpare},
		{"all spare bits", []byte{0x00, 0x7f}, 9, ErrBitfieldSpare},
	} {
		if err := CheckBitfield(c.bits, c.pieces); err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}
