package bencode

import "testing"

func TestSmoke(t *testing.T) {
	v, err := Parse([]byte("d1:ai1e1:bl3:xyzi-5eee"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := v.Get("b")
	if b.Len() != 2 {
		t.Fatal(b.Len())
	}
}
