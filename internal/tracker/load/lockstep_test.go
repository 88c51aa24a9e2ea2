package load

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestGamma(t *testing.T) {
	const n = 200_000
	r := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct{ shape, scale float64 }{{gammaShape, gammaScale}, {0.5, 2}, {0.9, 1}} {
		var sum, squares float64
		zero := 0
		for range n {
			x := gamma(r, tc.shape, tc.scale)
			if x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("gamma(%v, %v) gave %v", tc.shape, tc.scale, x)
			}
			if x < tc.scale/100 {
				zero++
			}
			sum += x
			squares += x * x
		}
		mean := sum / n
		variance := squares/n - mean*mean
		if want := tc.shape * tc.scale; math.Abs(mean-want) > 0.03*want {
			t.Errorf("gamma(%v, %v): mean %v, want %v", tc.shape, tc.scale, mean, want)
		}
		if want := tc.shape * tc.scale * tc.scale; math.Abs(variance-want) > 0.1*want {
			t.Errorf("gamma(%v, %v): variance %v, want %v", tc.shape, tc.scale, variance, want)
		}
		// Near zero the distribution function is x^shape / (shape Γ(shape)).
		if want := math.Pow(0.01, tc.shape) / math.Gamma(1+tc.shape); math.Abs(float64(zero)/n-want) > 0.02 {
			t.Errorf("gamma(%v, %v): %v are below a hundredth of the scale, want %v", tc.shape, tc.scale, float64(zero)/n, want)
		}
	}
}
