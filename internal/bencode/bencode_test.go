package bencode

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, s string) Value {
	t.Helper()
	v, err := Parse([]byte(s), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func parseWith(t *testing.T, s string, opt Options) Value {
	t.Helper()
	v, err := Parse([]byte(s), opt)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestInt(t *testing.T) {
	for s, want := range map[string]int64{
		"i0e": 0, "i1e": 1, "i-1e": -1, "i42e": 42,
		"i9223372036854775807e":  math.MaxInt64,
		"i-9223372036854775808e": math.MinInt64,
	} {
		v := mustParse(t, s)
		n, ok := v.Int()
		if !ok || n != want || v.Kind() != Int {
			t.Errorf("%s: %d %v", s, n, ok)
		}
		if got := AppendInt(nil, n); string(got) != s {
			t.Errorf("%s is written as %s", s, got)
		}
	}
}

func TestValue(t *testing.T) {
	v := mustParse(t, "d0:4:null1:ai-7e1:bl3:xyzi5ele1:cdee1:cd1:di1eee")
	if v.Kind() != Dict || v.Len() != 4 {
		t.Fatalf("%v of %d", v.Kind(), v.Len())
	}
	var keys []string
	for k, val := range v.Dict() {
		keys = append(keys, string(k))
		if got, ok := v.Get(string(k)); !ok || !bytes.Equal(got.Raw(), val.Raw()) {
			t.Errorf("Get(%q) is %q", k, got.Raw())
		}
	}
	if !slices.Equal(keys, []string{"", "a", "b", "c"}) {
		t.Errorf("keys %q", keys)
	}
	if s, ok := first(v.Get("")).Str(); !ok || s != "null" {
		t.Errorf("%q", s)
	}
	b := first(v.Get("b"))
	if string(b.Raw()) != "l3:xyzi5ele1:cdee" || b.Len() != 5 {
		t.Errorf("%q of %d", b.Raw(), b.Len())
	}
	var raw []string
	for e := range b.List() {
		raw = append(raw, string(e.Raw()))
	}
	if !slices.Equal(raw, []string{"3:xyz", "i5e", "le", "1:c", "de"}) {
		t.Errorf("%q", raw)
	}
	if n, ok := first(first(v.Get("c")).Get("d")).Int(); !ok || n != 1 {
		t.Errorf("c.d is %d, %v", n, ok)
	}
}

func first(v Value, _ bool) Value { return v }

// An accessor of the wrong kind reports absence and never panics.
func TestWrongKind(t *testing.T) {
	for _, v := range []Value{{}, mustParse(t, "i1e"), mustParse(t, "1:x"), mustParse(t, "le"), mustParse(t, "de")} {
		if _, ok := v.Int(); ok != (v.Kind() == Int) {
			t.Errorf("%v: Int %v", v.Kind(), ok)
		}
		if _, ok := v.Bytes(); ok != (v.Kind() == String) {
			t.Errorf("%v: Bytes %v", v.Kind(), ok)
		}
		if _, ok := v.Get("x"); ok {
			t.Errorf("%v has a key", v.Kind())
		}
		for range v.List() {
			t.Errorf("%v has elements", v.Kind())
		}
		for range v.Dict() {
			t.Errorf("%v has keys", v.Kind())
		}
		if v.Kind() == 0 && (v.Raw() != nil || v.Len() != 0) {
			t.Error("the zero Value holds something")
		}
		_ = v.Kind().String()
	}
}

func TestParseRejects(t *testing.T) {
	tests := []struct {
		name, in string
		offset   int
		msg      string
	}{
		{"nothing", "", 0, "unexpected end"},
		{"not a value", "x", 0, "not a value"},
		{"stray end", "e", 0, "not a value"},
		{"trailing bytes", "i1ei2e", 3, "trailing"},
		{"trailing newline", "i1e\n", 3, "trailing"},
		{"empty integer", "ie", 1, "decimal"},
		{"minus alone", "i-e", 2, "decimal"},
		{"plus", "i+1e", 1, "decimal"},
		{"letters", "i1xe", 2, "decimal"},
		{"space", "i 1e", 1, "decimal"},
		{"unfinished integer", "i12", 3, "unexpected end"},
		{"leading zero", "i01e", 0, "leading zero"},
		{"double zero", "i00e", 0, "leading zero"},
		{"negative leading zero", "i-01e", 0, "leading zero"},
		{"negative zero", "i-0e", 0, "negative zero"},
		{"integer over 63 bits", "i9223372036854775808e", 0, "out of range"},
		{"integer under 63 bits", "i-9223372036854775809e", 0, "out of range"},
		{"integer of 30 digits", "i" + strings.Repeat("9", 30) + "e", 0, "out of range"},
		{"negative length", "-1:x", 0, "not a value"},
		{"length with a leading zero", "01:x", 0, "leading zero"},
		{"length with two zeros", "00:", 0, "leading zero"},
		{"string behind the end", "5:abcd", 0, "longer than the input"},
		{"string of 1 GB", "999999999:x", 0, "longer than the input"},
		{"string of 2 GiB", "2147483648:x", 0, "out of range"},
		{"string of 4 GiB", "4294967296:x", 0, "out of range"},
		{"length over 64 bits", strings.Repeat("9", 40) + ":x", 0, "out of range"},
		{"no colon", "3xabc", 1, "colon"},
		{"unfinished length", "12", 2, "unexpected end"},
		{"unfinished list", "li1e", 4, "unexpected end"},
		{"unfinished dictionary", "d1:a", 4, "unexpected end"},
		{"key without a value", "d1:ae", 4, "without a value"},
		{"integer as key", "di1ei2ee", 1, "not a string"},
		{"list as key", "dlei2ee", 1, "not a string"},
		{"unsorted keys", "d1:bi1e1:ai1ee", 7, "not sorted"},
		{"keys sorted by length", "d1:bi1e2:aai1ee", 7, "not sorted"},
		{"duplicate key", "d1:ai1e1:ai1ee", 7, "duplicate"},
		{"nested duplicate key", "ld1:ai1e1:ai1eee", 8, "duplicate"},
		{"65 lists", strings.Repeat("l", 65) + strings.Repeat("e", 65), 64, "deep"},
		{"a million lists", strings.Repeat("l", 1e6), 64, "deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in), Options{})
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset != tt.offset || !strings.Contains(e.Msg, tt.msg) {
				t.Errorf("error %v, want %q at %d", err, tt.msg, tt.offset)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("l", 64) + strings.Repeat("e", 64)
	if _, err := Parse([]byte(deep), Options{}); err != nil {
		t.Errorf("64 levels: %v", err)
	}
	if _, err := Parse([]byte("lleel"), Options{MaxDepth: 1}); err == nil {
		t.Error("MaxDepth 1 accepts a list in a list")
	}
	if _, err := Parse([]byte("ldeldee"), Options{MaxDepth: 2}); err == nil {
		t.Error("MaxDepth 2 accepts three levels")
	}
	if _, err := Parse([]byte("l1:a1:be"), Options{MaxItems: 3}); err != nil {
		t.Errorf("three items: %v", err)
	}
	if _, err := Parse([]byte("d1:a1:be"), Options{MaxItems: 2}); err == nil {
		t.Error("MaxItems 2 accepts three")
	}
	if _, err := Parse([]byte("4:abcd"), Options{MaxSize: 6}); err != nil {
		t.Errorf("six bytes: %v", err)
	}
	for _, s := range []string{"5:abcde", "i12345e", "llllllee"} {
		_, err := Parse([]byte(s), Options{MaxSize: 6})
		var e *SyntaxError
		if !errors.As(err, &e) || !strings.Contains(e.Msg, "size limit") && !strings.Contains(e.Msg, "trailing") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAllowUnsorted(t *testing.T) {
	opt := Options{AllowUnsorted: true}
	v, err := Parse([]byte("d1:ci3e1:ai1e1:bd1:zi0e1:yi0eee"), opt)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := first(v.Get("a")).Int(); n != 1 {
		t.Errorf("a is %d", n)
	}
	for _, s := range []string{
		"d1:ai1e1:ai1ee",
		"d1:bi1e1:ai1e1:bi1ee",
		"d1:ci1e1:bi1e1:ai1e1:bi1ee",
		"d1:xd1:bi1e1:ai1e1:bi1eee",
	} {
		var e *SyntaxError
		if _, err := Parse([]byte(s), opt); !errors.As(err, &e) || e.Msg != "duplicate key" {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// What no program means by mistake but many write is read, and told apart from
// what is right.
func TestLenient(t *testing.T) {
	opt := Options{Lenient: true}
	for _, s := range []string{
		"d1:bi1e1:ai2ee", "d1:ai1e1:ai2ee", "d1:ai1e1:bi2e1:ai3ee", "01:x", "d02:abi1ee", "i007e", "i-0e", "i00e",
		"i1.5e", "i+1e", "ie", "i-e", "i--1e", "i9223372036854775808e", "i" + strings.Repeat("9", 64) + "e",
	} {
		v, err := Parse([]byte(s), opt)
		if err != nil || string(v.Raw()) != s {
			t.Errorf("%s: %q, %v", s, v.Raw(), err)
			continue
		}
		_, want := Parse([]byte(s), Options{})
		if got := v.Strict(); want == nil || got == nil || got.Error() != want.Error() {
			t.Errorf("%s: strictly %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]int64{"i007e": 7, "i-0e": 0, "i-010e": -10, "i000e": 0, "i09223372036854775807e": math.MaxInt64} {
		if n, ok := parseWith(t, s, opt).Int(); !ok || n != want {
			t.Errorf("%s: %d, %v", s, n, ok)
		}
	}
	for _, s := range []string{"i1.5e", "i+1e", "ie", "i-e", "i1-e", "i9223372036854775808e", "i-9223372036854775809e", "i99999999999999999999e"} {
		if n, ok := parseWith(t, s, opt).Int(); ok {
			t.Errorf("%s is %d", s, n)
		}
	}
	if n, _ := first(parseWith(t, "d1:bi0e1:ai1e1:ai2ee", opt).Get("a")).Int(); n != 1 {
		t.Errorf("of two values of a key %d is taken", n)
	}
	// What is in doubt stays an error.
	for _, s := range []string{
		"", "x", "i1", "i1xe", "i 1e", "i1:e", "i" + strings.Repeat("9", 65) + "e", "5:abcd", "1x", "l", "d1:a", "d1:ae", "di1ei2ee",
		"i1ei2e", "-1:x", strings.Repeat("l", 65) + strings.Repeat("e", 65), "000000000002147483648:x", strings.Repeat("0", 66) + "1:x",
	} {
		if v, err := Parse([]byte(s), opt); err == nil {
			t.Errorf("%s is read as %q", s, v.Raw())
		}
	}
	// Only the part asked about counts.
	v := parseWith(t, "d1:bd1:xi1ee1:ad1:yi1e1:xi1eee", opt)
	if err := first(v.Get("b")).Strict(); err != nil {
		t.Error(err)
	}
	if first(v.Get("a")).Strict() == nil || v.Strict() == nil {
		t.Error("keys out of order are called strict")
	}
	if err := (Value{}).Strict(); err != nil {
		t.Error(err)
	}
}

func TestParsePrefix(t *testing.T) {
	v, rest, err := ParsePrefix([]byte("d8:msg_typei1eeDATA"), Options{})
	if err != nil || string(rest) != "DATA" || v.Len() != 1 {
		t.Errorf("%q %q %v", v.Raw(), rest, err)
	}
	// The limit is on the value, not on what follows it.
	if _, rest, err = ParsePrefix([]byte("i1e"+strings.Repeat("x", 100)), Options{MaxSize: 10}); err != nil || len(rest) != 100 {
		t.Errorf("%d bytes left, %v", len(rest), err)
	}
}

// What a hostile length claims is not allocated.
func TestNoAllocationAhead(t *testing.T) {
	in := []byte("l2000000000:")
	if n := testing.AllocsPerRun(10, func() {
		if _, err := Parse(in, Options{}); err == nil {
			t.Fatal("accepted")
		}
	}); n > 5 {
		t.Errorf("%v allocations", n)
	}
}

func TestDictBuilder(t *testing.T) {
	d := NewDict([]byte("x"))
	d.Int("a", 1)
	d.String("b", "two")
	d.Bytes("c", []byte{0, 1})
	d.Raw("d", []byte("le"))
	d.Value("e", func(b []byte) []byte { return AppendString(b, "") })
	if got := string(d.End()); got != "xd1:ai1e1:b3:two1:c2:\x00\x011:dle1:e0:e" {
		t.Errorf("%q", got)
	}
	d = NewDict(nil)
	d.Int("b", 1)
	d.Int("c", 2)
	d.Int("a", 3)
	d.Int("b", 4)
	if got := string(d.End()); got != "d1:ai3e1:bi4e1:ci2ee" {
		t.Errorf("%q", got)
	}
	if got := string(NewDict(nil).End()); got != "de" {
		t.Errorf("%q", got)
	}
}

// write encodes a value again from what the accessors say.
func write(dst []byte, v Value) []byte {
	switch v.Kind() {
	case Int:
		n, _ := v.Int()
		return AppendInt(dst, n)
	case String:
		b, _ := v.Bytes()
		return AppendBytes(dst, b)
	case List:
		dst = append(dst, 'l')
		for e := range v.List() {
			dst = write(dst, e)
		}
		return append(dst, 'e')
	}
	d := NewDict(dst)
	for k, e := range v.Dict() {
		d.Value(string(k), func(b []byte) []byte { return write(b, e) })
	}
	return d.End()
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"i-42e", "3:abc", "le", "de", "d1:ai1e1:bl3:xyzi-5eee", "d1:b0:1:a0:e", "lllleeee", "i00e", "99999999999:", "i1.5e", "d1:a01:x1:ai-0ee"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		v, rest, err := ParsePrefix(b, Options{})
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(b) {
				t.Fatalf("error %v of type %T", err, err)
			}
		} else {
			if got := write(nil, v); !bytes.Equal(got, b[:len(b)-len(rest)]) || !bytes.Equal(got, v.Raw()) {
				t.Fatalf("%q is written as %q", b, got)
			}
		}
		// Without the order of keys, writing sorts them, and then it is strict.
		if v, err := Parse(b, Options{AllowUnsorted: true}); err == nil {
			if _, err := Parse(write(nil, v), Options{}); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
		}
		// What is strict is so for lenient readers too, and nothing else is.
		lax, laxErr := Parse(b, Options{Lenient: true})
		if _, err := Parse(b, Options{}); err == nil && laxErr != nil || laxErr == nil && (lax.Strict() == nil) != (err == nil) {
			t.Fatalf("%q: strictly %v, leniently %v, then %v", b, err, laxErr, lax.Strict())
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the input was changed")
		}
	})
}

func BenchmarkParseManyFiles(b *testing.B) {
	file := "d6:lengthi123456e4:pathl3:dir12:file1234.bineee"
	in := []byte("l" + strings.Repeat(file[:len(file)-1], 200_000) + "e")
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := Parse(in, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
