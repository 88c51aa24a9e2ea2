//go:build !js && !(linux && (amd64 || arm64 || riscv64 || ppc64le || loong64))

package webrtc

import "net"

func newPacketIO(c *net.UDPConn) packetIO { return &plainIO{conn: c} }
