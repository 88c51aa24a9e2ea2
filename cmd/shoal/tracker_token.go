package main

import (
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/token"
)

type trackerTokenCmd struct {
	SecretFile string        `required:"" placeholder:"FILE" help:"File of secrets, one a line; the first signs."`
	Expires    time.Duration `default:"24h" placeholder:"TIME" help:"How long the token is valid (${default})."`
	InfoHash   string        `placeholder:"HASH" help:"The only torrent it is for, 40 hexadecimal digits."`
	Net        string        `placeholder:"NET" help:"The only addresses it is for, such as 203.0.113.0/24."`
	Trusted    bool          `help:"Its holder meets everybody, and everybody meets it."`
	Introduce  string        `default:"all" enum:"all,trusted" placeholder:"WHOM" help:"Whom its holder meets if it is not trusted itself: all, or those who are trusted (${default})."`
}

func (c *trackerTokenCmd) Run() error {
	claims := token.Claims{Expires: time.Now().Add(c.Expires), Trusted: c.Trusted, Limited: c.Introduce == "trusted"}
	if c.Expires <= 0 {
		return usagef("--expires: %s is over already: write it like 24h", c.Expires)
	}
	if c.InfoHash != "" {
		var h [20]byte
		if n, err := hex.Decode(h[:], []byte(c.InfoHash)[:min(len(c.InfoHash), 40)]); err != nil || n != 20 || len(c.InfoHash) != 40 {
			return usagef("--info-hash: %q is not an info hash: write its 40 hexadecimal digits", c.InfoHash)
		}
		claims.InfoHash = &h
	}
	if c.Net != "" {
		p, err := netip.ParsePrefix(c.Net)
		if err != nil {
			return usagef("--net: %q is not a network: write it like 203.0.113.0/24 or 2001:db8::/32", c.Net)
		}
		claims.Net = p.Masked()
	}
	keys, err := token.LoadKeys(c.SecretFile)
	if err != nil {
		return err
	}
	say("%s\n", keys.Sign(claims))
	return nil
}
