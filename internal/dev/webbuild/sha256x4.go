package main

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The tab hashes the blocks of a piece with SHA-256 (BEP 52) by a small WebAssembly module of
// its own: four blocks at a time, one in each lane of a 128-bit vector. A browser's
// own digest knows SHA instructions and is quicker for one long message, but each call costs
// a copy, a task for another thread and a promise, and a piece has a call for every 16 KiB;
// Go's compiler makes no vectors for WebAssembly.

// Where things lie in the module's memory; web/src/sha256.ts knows of the digests and the data.
const (
	x4Digests  = 0    // four of 32 bytes
	x4Keys     = 256  // the 64 constants of the rounds
	x4Schedule = 512  // the 64 words of a block, four lanes each
	x4Data     = 2048 // four messages, one behind the other
	x4Pages    = 2    // of 64 KiB: room for messages of 16 KiB
)

// Opcodes and types of WebAssembly 2.0.
const (
	wasmI32, wasmV128 = 0x7f, 0x7b

	wasmLoop, wasmIf, wasmElse, wasmEnd = 0x03, 0x04, 0x05, 0x0b
	wasmBrIf, wasmNoResult              = 0x0d, 0x40
	wasmGet, wasmSet, wasmTee           = 0x20, 0x21, 0x22
	wasmI32Const                        = 0x41
	wasmI32LtU, wasmI32LeU              = 0x49, 0x4d
	wasmI32Add, wasmI32Mul, wasmI32Shl  = 0x6a, 0x6c, 0x74

	wasmVector                                = 0xfd // before those that follow
	v128Load, v128LoadSplat, v128Store        = 0x00, 0x09, 0x0b
	v128LoadLane, v128StoreLane, v128LoadZero = 0x56, 0x5a, 0x5c
	v128Shuffle, v128Splat                    = 0x0d, 0x11
	v128Or, v128Xor, v128Bitselect            = 0x50, 0x51, 0x52
	v128Shl, v128ShrU, v128Add                = 0xab, 0xad, 0xae
)

// The function's arguments and variables. A message has blocks whole blocks of 64 bytes.
const (
	argSize   = iota // of a message, in bytes
	argBlocks        // 64 bytes each
	varFrom          // four addresses, the first in the messages
	varN      = varFrom + 4
	varI      = varN + 1
	varState  = varI + 1 // a to h
	varSum    = varState + 8
	varT      = varSum + 8
	varU      = varT + 1
	varEnd    = varU + 1
)

type wasmCode struct{ bytes.Buffer }

func (c *wasmCode) op(ops ...byte)        { c.Write(ops) }
func (c *wasmCode) u(n uint64)            { c.Write(leb(n)) }
func (c *wasmCode) get(v int)             { c.op(wasmGet, byte(v)) }
func (c *wasmCode) set(v int)             { c.op(wasmSet, byte(v)) }
func (c *wasmCode) tee(v int)             { c.op(wasmTee, byte(v)) }
func (c *wasmCode) i32(n int32)           { c.op(wasmI32Const); c.Write(sleb(int64(n))) }
func (c *wasmCode) v(op uint64)           { c.op(wasmVector); c.u(op) }
func (c *wasmCode) mem(op uint64, at int) { c.v(op); c.u(2); c.u(uint64(at)) } // aligned to 4
func (c *wasmCode) lane(op uint64, at, lane int) {
	c.mem(op, at)
	c.op(byte(lane))
}

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func sleb(n int64) (b []byte) {
	for {
		low := byte(n & 0x7f)
		if n >>= 7; n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// swap turns the bytes of each word of the vector on top round.
func (c *wasmCode) swap() {
	c.tee(varT)
	c.get(varT)
	c.v(v128Shuffle)
	for i := range 16 {
		c.op(byte(i ^ 3))
	}
}

// sigma is the exclusive or of the variable's words turned right by each of turns, and, unless
// shift is 0, shifted right.
func (c *wasmCode) sigma(v int, shift byte, turns ...int32) {
	for i, n := range turns {
		c.get(v)
		c.i32(n)
		c.v(v128ShrU)
		c.get(v)
		c.i32(32 - n)
		c.v(v128Shl)
		c.v(v128Or)
		if i > 0 {
			c.v(v128Xor)
		}
	}
	if shift > 0 {
		c.get(v)
		c.i32(int32(shift))
		c.v(v128ShrU)
		c.v(v128Xor)
	}
}

// words puts the next 64 bytes of each message into the schedule.
func (c *wasmCode) words() {
	for w := range 16 {
		c.i32(0)
		c.get(varFrom)
		c.mem(v128LoadZero, x4Data+4*w)
		for lane := 1; lane < 4; lane++ {
			c.set(varT)
			c.get(varFrom + lane)
			c.get(varT)
			c.lane(v128LoadLane, x4Data+4*w, lane)
		}
		c.swap()
		c.mem(v128Store, x4Schedule+16*w)
	}
	for lane := range 4 {
		c.get(varFrom + lane)
		c.i32(64)
		c.op(wasmI32Add)
		c.set(varFrom + lane)
	}
}

// padding puts the end of a message of whole blocks into the schedule: a bit, and its length in bits.
func (c *wasmCode) padding() {
	for w := range 16 {
		c.i32(0)
		switch w {
		case 0:
			c.i32(math.MinInt32)
		case 15:
			c.get(argSize)
			c.i32(3)
			c.op(wasmI32Shl)
		default:
			c.i32(0)
		}
		c.v(v128Splat)
		c.mem(v128Store, x4Schedule+16*w)
	}
}

// repeat runs body while varI, which grows by step from 0, is below limit.
func (c *wasmCode) repeat(limit, step int32, body func()) {
	c.i32(0)
	c.set(varI)
	c.op(wasmLoop, wasmNoResult)
	body()
	c.get(varI)
	c.i32(step)
	c.op(wasmI32Add)
	c.tee(varI)
	c.i32(limit)
	c.op(wasmI32LtU, wasmBrIf, 0, wasmEnd)
}

// expand computes the other 48 words of the schedule (FIPS 180-4, section 6.2.2).
func (c *wasmCode) expand() {
	word := func(back int) {
		c.get(varI)
		c.mem(v128Load, x4Schedule+16*(16-back))
	}
	c.repeat(48*16, 16, func() {
		c.get(varI)
		word(15)
		c.set(varT)
		c.sigma(varT, 3, 7, 18)
		word(2)
		c.set(varT)
		c.sigma(varT, 10, 17, 19)
		c.v(v128Add)
		word(16)
		c.v(v128Add)
		word(7)
		c.v(v128Add)
		c.mem(v128Store, x4Schedule+16*16)
	})
}

// rounds are the 64 rounds, eight in each turn, after which the variables have their names again.
func (c *wasmCode) rounds() {
	// varI counts the constants, of four bytes; a word of the schedule has sixteen.
	c.repeat(64*4, 8*4, func() {
		for r := range 8 {
			v := func(name int) int { return varState + (name-r+8)%8 }
			a, b, cc, d, e, f, g, h := v(0), v(1), v(2), v(3), v(4), v(5), v(6), v(7)
			// t1 = h + Σ1(e) + Ch(e, f, g) + K + W
			c.get(h)
			c.sigma(e, 0, 6, 11, 25)
			c.v(v128Add)
			c.get(f)
			c.get(g)
			c.get(e)
			c.v(v128Bitselect)
			c.v(v128Add)
			c.get(varI)
			c.mem(v128LoadSplat, x4Keys+4*r)
			c.v(v128Add)
			c.get(varI)
			c.i32(2)
			c.op(wasmI32Shl)
			c.mem(v128Load, x4Schedule+16*r)
			c.v(v128Add)
			c.tee(varT)
			// d += t1
			c.get(d)
			c.v(v128Add)
			c.set(d)
			// h = t1 + Σ0(a) + Maj(a, b, c)
			c.get(varT)
			c.sigma(a, 0, 2, 13, 22)
			c.v(v128Add)
			c.get(cc)
			c.get(a)
			c.get(a)
			c.get(b)
			c.v(v128Xor)
			c.v(v128Bitselect)
			c.v(v128Add)
			c.set(h)
		}
	})
}

// sha256x4 is a module with a memory and a function, hash(size, blocks), which hashes four
// messages of size bytes that lie one behind the other. size is a multiple of 64, blocks
// what it is divided by that.
func sha256x4() []byte {
	var c wasmCode
	for lane := range 4 {
		c.get(argSize)
		c.i32(int32(lane))
		c.op(wasmI32Mul)
		c.set(varFrom + lane)
	}
	state := roots(8, 1.0/2)
	for i, h := range state {
		c.i32(int32(h))
		c.v(v128Splat)
		c.set(varSum + i)
	}
	c.op(wasmLoop, wasmNoResult)
	c.get(varN)
	c.get(argBlocks)
	c.op(wasmI32LtU, wasmIf, wasmNoResult)
	c.words()
	c.op(wasmElse)
	c.padding()
	c.op(wasmEnd)
	c.expand()
	for i := range 8 {
		c.get(varSum + i)
		c.set(varState + i)
	}
	c.rounds()
	for i := range 8 {
		c.get(varSum + i)
		c.get(varState + i)
		c.v(v128Add)
		c.set(varSum + i)
	}
	c.get(varN)
	c.i32(1)
	c.op(wasmI32Add)
	c.tee(varN)
	c.get(argBlocks)
	c.op(wasmI32LeU, wasmBrIf, 0, wasmEnd)
	for i := range 8 {
		c.get(varSum + i)
		c.swap()
		c.set(varU)
		for lane := range 4 {
			c.i32(0)
			c.get(varU)
			c.lane(v128StoreLane, x4Digests+32*lane+4*i, lane)
		}
	}
	c.op(wasmEnd)

	section := func(id byte, content ...[]byte) []byte {
		body := bytes.Join(content, nil)
		return append(append([]byte{id}, leb(uint64(len(body)))...), body...)
	}
	sized := func(b []byte) []byte { return append(leb(uint64(len(b))), b...) }
	locals := []byte{2, varState - varFrom, wasmI32, varEnd - varState, wasmV128}
	var keys []byte
	for _, k := range roots(64, 1.0/3) {
		keys = binary.LittleEndian.AppendUint32(keys, k)
	}
	return bytes.Join([][]byte{
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{1, 0x60, 2, wasmI32, wasmI32, 0}),
		section(3, []byte{1, 0}),
		section(5, []byte{1, 0}, leb(x4Pages)),
		section(7, []byte{2}, sized([]byte("memory")), []byte{2, 0}, sized([]byte("hash")), []byte{0, 0}),
		section(10, []byte{1}, sized(append(locals, c.Bytes()...))),
		section(11, []byte{1, 0, wasmI32Const}, sleb(x4Keys), []byte{wasmEnd}, sized(keys)),
	}, nil)
}

// roots are the first 32 bits of the fractional parts of the first n primes' roots, which
// SHA-256's constants are (FIPS 180-4, sections 4.2.2 and 5.3.3). A float64 has them exactly.
func roots(n int, power float64) (list []uint32) {
	for p := 2; len(list) < n; p++ {
		prime := true
		for d := 2; d*d <= p; d++ {
			prime = prime && p%d != 0
		}
		if prime {
			_, frac := math.Modf(math.Pow(float64(p), power))
			list = append(list, uint32(frac*(1<<32)))
		}
	}
	return list
}
