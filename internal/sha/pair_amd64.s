// SHA-256 of two messages at a time, by the SHA extensions of x86-64.
//
// The instructions of one message wait for each other: a pair of rounds takes four
// cycles and keeps the unit busy for two. Those of another fit in between.
//
// A state is in two registers, as the instructions want it: words A, B, E and F in
// one, C, D, G and H in the other, the first in the highest place.

#include "textflag.h"

// round does four rounds of one message with the words W and the constants at OFF.
#define round(OFF, W, ABEF, CDGH) \
	MOVOU OFF(AX), X13; \
	PADDL W, X13; \
	MOVO X13, X0; \
	SHA256RNDS2 X0, ABEF, CDGH; \
	PSHUFD $0x0E, X13, X0; \
	SHA256RNDS2 X0, CDGH, ABEF

// load reads the first words of a message's block.
#define load(OFF, FROM, W) \
	MOVOU OFF(FROM), W; \
	PSHUFB X15, W

// finish makes the words that follow W of what SHA256MSG1 has begun in NEXT.
#define finish(BEFORE, W, NEXT) \
	MOVO W, X14; \
	PALIGNR $4, BEFORE, X14; \
	PADDL X14, NEXT; \
	SHA256MSG2 W, NEXT

// both does four rounds of both messages.
#define both(OFF, A, B) \
	round(OFF, A, X1, X2); \
	round(OFF, B, X7, X8)

// func blocks2(p, q *byte, n int, s *[2]state)
TEXT ·blocks2(SB), NOSPLIT, $64-32
	MOVQ p+0(FP), SI
	MOVQ q+8(FP), DI
	MOVQ n+16(FP), CX
	MOVQ s+24(FP), DX
	LEAQ constants<>(SB), AX
	MOVOU swap<>(SB), X15
	MOVOU 0(DX), X1
	MOVOU 16(DX), X2
	MOVOU 32(DX), X7
	MOVOU 48(DX), X8

loop:
	MOVOU X1, before-64(SP)
	MOVOU X2, before-48(SP)
	MOVOU X7, before-32(SP)
	MOVOU X8, before-16(SP)

	load(0, SI, X3)
	load(0, DI, X9)
	both(0, X3, X9)
	load(16, SI, X4)
	load(16, DI, X10)
	both(16, X4, X10)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	load(32, SI, X5)
	load(32, DI, X11)
	both(32, X5, X11)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	load(48, SI, X6)
	load(48, DI, X12)
	both(48, X6, X12)
	finish(X5, X6, X3)
	finish(X11, X12, X9)
	SHA256MSG1 X6, X5
	SHA256MSG1 X12, X11
	both(64, X3, X9)
	finish(X6, X3, X4)
	finish(X12, X9, X10)
	SHA256MSG1 X3, X6
	SHA256MSG1 X9, X12
	both(80, X4, X10)
	finish(X3, X4, X5)
	finish(X9, X10, X11)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	both(96, X5, X11)
	finish(X4, X5, X6)
	finish(X10, X11, X12)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	both(112, X6, X12)
	finish(X5, X6, X3)
	finish(X11, X12, X9)
	SHA256MSG1 X6, X5
	SHA256MSG1 X12, X11
	both(128, X3, X9)
	finish(X6, X3, X4)
	finish(X12, X9, X10)
	SHA256MSG1 X3, X6
	SHA256MSG1 X9, X12
	both(144, X4, X10)
	finish(X3, X4, X5)
	finish(X9, X10, X11)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	both(160, X5, X11)
	finish(X4, X5, X6)
	finish(X10, X11, X12)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	both(176, X6, X12)
	finish(X5, X6, X3)
	finish(X11, X12, X9)
	SHA256MSG1 X6, X5
	SHA256MSG1 X12, X11
	both(192, X3, X9)
	finish(X6, X3, X4)
	finish(X12, X9, X10)
	SHA256MSG1 X3, X6
	SHA256MSG1 X9, X12
	both(208, X4, X10)
	finish(X3, X4, X5)
	finish(X9, X10, X11)
	both(224, X5, X11)
	finish(X4, X5, X6)
	finish(X10, X11, X12)
	both(240, X6, X12)

	MOVOU before-64(SP), X13
	PADDL X13, X1
	MOVOU before-48(SP), X13
	PADDL X13, X2
	MOVOU before-32(SP), X13
	PADDL X13, X7
	MOVOU before-16(SP), X13
	PADDL X13, X8
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ loop

	MOVOU X1, 0(DX)
	MOVOU X2, 16(DX)
	MOVOU X7, 32(DX)
	MOVOU X8, 48(DX)
	RET

// func features() (one, seven uint32)
TEXT ·features(SB), NOSPLIT, $0-8
	MOVL $1, AX
	XORL CX, CX
	CPUID
	MOVL CX, one+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT none
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL BX, seven+4(FP)
	RET
none:
	MOVL $0, seven+4(FP)
	RET

// Words are big-endian in a message.
DATA swap<>+0(SB)/8, $0x0405060700010203
DATA swap<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap<>(SB), RODATA|NOPTR, $16

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.

DATA constants<>+0(SB)/8, $0x71374491428a2f98
DATA constants<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA constants<>+16(SB)/8, $0x59f111f13956c25b
DATA constants<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA constants<>+32(SB)/8, $0x12835b01d807aa98
DATA constants<>+40(SB)/8, $0x550c7dc3243185be
DATA constants<>+48(SB)/8, $0x80deb1fe72be5d74
DATA constants<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA constants<>+64(SB)/8, $0xefbe4786e49b69c1
DATA constants<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA constants<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA constants<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA constants<>+96(SB)/8, $0xa831c66d983e5152
DATA constants<>+104(SB)/8, $0xbf597fc7b00327c8
DATA constants<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA constants<>+120(SB)/8, $0x1429296706ca6351
DATA constants<>+128(SB)/8, $0x2e1b213827b70a85
DATA constants<>+136(SB)/8, $0x53380d134d2c6dfc
DATA constants<>+144(SB)/8, $0x766a0abb650a7354
DATA constants<>+152(SB)/8, $0x92722c8581c2c92e
DATA constants<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA constants<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA constants<>+176(SB)/8, $0xd6990624d192e819
DATA constants<>+184(SB)/8, $0x106aa070f40e3585
DATA constants<>+192(SB)/8, $0x1e376c0819a4c116
DATA constants<>+200(SB)/8, $0x34b0bcb52748774c
DATA constants<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA constants<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA constants<>+224(SB)/8, $0x78a5636f748f82ee
DATA constants<>+232(SB)/8, $0x8cc7020884c87814
DATA constants<>+240(SB)/8, $0xa4506ceb90befffa
DATA constants<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL constants<>(SB), RODATA|NOPTR, $256
