package limit

import (
	"regexp"
	"testing"
)

// Metrics, logs and what operators make of them live by these names.
func TestEveryReasonHasANameOfItsOwn(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for r := range Reason(NumReasons) {
		if name := r.String(); !word.MatchString(name) || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[r.String()] = true
		// A close frame carries 123 bytes at most (RFC 6455 section 5.5).
		if len(r.Error()) > 123 {
			t.Errorf("%s: a text of %d bytes", r, len(r.Error()))
		}
		if r.Kind() == Refused && r.Error() == "" {
			t.Errorf("%s: nobody is told", r)
		}
	}
}

func TestCountsAreSummedByKind(t *testing.T) {
	var a, b Counts
	a.Add(Conns)
	a.Add(NoRoute)
	b.Add(Conns)
	b.Add(ClientDenied)
	var sum [NumReasons]uint64
	a.AddTo(&sum)
	b.AddTo(&sum)
	if sum[Conns] != 2 || Of(&sum, Limited) != 2 || Of(&sum, Dropped) != 1 || Of(&sum, Refused) != 1 {
		t.Errorf("%v", sum)
	}
}
