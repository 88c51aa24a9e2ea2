package main

import (
	"math"
	"math/rand/v2"
)

type rgb struct{ r, g, b float64 }

func (a rgb) mix(b rgb, t float64) rgb {
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

// fish is one member of the shoal. Depth 0 is near and large, 1 far and small.
type fish struct {
	x, y, vx, vy float64
	depth, phase float64
	colour       rgb
}

type bubble struct{ x, y, r, speed, phase float64 }

// sea is the moving picture: water, light, bubbles and a shoal that keeps
// together by the three rules of Reynolds (apart, along, towards).
type sea struct {
	clip    clip
	fish    []fish
	bubbles []bubble
	now     float64
	img     [width * height]rgb
	out     [width * height * 3]byte
}

func newSea(c clip) *sea {
	rng := rand.New(rand.NewPCG(c.seed, 0x5ea))
	s := &sea{clip: c}
	for range 64 {
		a := rng.Float64() * 2 * math.Pi
		s.fish = append(s.fish, fish{
			x: width * (0.2 + 0.3*rng.Float64()), y: height * (0.25 + 0.5*rng.Float64()),
			vx: 70 + 20*math.Cos(a), vy: 20 * math.Sin(a),
			depth: rng.Float64(), phase: rng.Float64() * 6.28,
			colour: c.fish[rng.IntN(len(c.fish))],
		})
	}
	for i := 1; i < len(s.fish); i++ { // far ones first, so that near ones cover them
		for j := i; j > 0 && s.fish[j].depth > s.fish[j-1].depth; j-- {
			s.fish[j], s.fish[j-1] = s.fish[j-1], s.fish[j]
		}
	}
	for range 26 {
		s.bubbles = append(s.bubbles, bubble{rng.Float64() * width, rng.Float64() * height, 1.5 + 3*rng.Float64(), 18 + 30*rng.Float64(), rng.Float64() * 6.28})
	}
	return s
}

// swim moves everything dt seconds on.
func (s *sea) swim(dt float64) {
	s.now += dt
	// The shoal follows a point that wanders on a slow figure of eight.
	tx := width * (0.5 + 0.24*math.Sin(s.now*0.42-0.6))
	ty := height * (0.5 + 0.20*math.Sin(s.now*0.84+0.5))
	for i := range s.fish {
		f := &s.fish[i]
		var ax, ay, alongX, alongY, n float64
		for j := range s.fish {
			o := &s.fish[j]
			dx, dy := f.x-o.x, f.y-o.y
			d2 := dx*dx + dy*dy
			if i == j || d2 > 70*70 || d2 == 0 {
				continue
			}
			if d2 < 32*32 {
				ax += dx / d2 * 900
				ay += dy / d2 * 900
			}
			alongX += o.vx
			alongY += o.vy
			n++
		}
		if n > 0 {
			ax += (alongX/n - f.vx) * 1.1
			ay += (alongY/n - f.vy) * 1.1
		}
		ax += (tx - f.x) * 0.55
		ay += (ty - f.y) * 0.55
		// Glass walls: nobody swims out of the picture.
		ax += 5*math.Max(0, 60-f.x) - 5*math.Max(0, f.x-(width-60))
		ay += 5*math.Max(0, 50-f.y) - 5*math.Max(0, f.y-(height-50))
		f.vx += ax * dt
		f.vy += ay * dt * 0.8
		v := math.Hypot(f.vx, f.vy)
		want := math.Max(55, math.Min(v, 130))
		f.vx, f.vy = f.vx/v*want, f.vy/v*want
		f.x += f.vx * dt
		f.y += f.vy * dt
		f.phase += dt * (5 + v*0.06)
	}
	for i := range s.bubbles {
		b := &s.bubbles[i]
		b.y -= b.speed * dt
		if b.y < -10 {
			b.y = height + 10
		}
	}
}

func (s *sea) draw(t float64) {
	s.water(t)
	for i := range s.bubbles {
		b := &s.bubbles[i]
		s.ring(b.x+6*math.Sin(t*1.3+b.phase), b.y, b.r)
	}
	for i := range s.fish {
		s.paintFish(&s.fish[i])
	}
}

// water fills the picture with a gradient and slow shafts of light.
func (s *sea) water(t float64) {
	white := rgb{1, 1, 0.95}
	for y := range height {
		v := float64(y) / height
		base := s.clip.top.mix(s.clip.deep, math.Pow(v, 0.8))
		for x := range width {
			u := float64(x)/width + 0.35*v
			shaft := math.Sin(u*9+t*0.25) + math.Sin(u*17-t*0.37+1) + math.Sin(u*29+t*0.21+2)
			light := math.Max(0, shaft/3) * (1 - v) * 0.30
			s.img[y*width+x] = base.mix(white, light)
		}
	}
}

func (s *sea) ring(cx, cy, r float64) {
	for y := int(cy - r - 2); y <= int(cy+r+2); y++ {
		for x := int(cx - r - 2); x <= int(cx+r+2); x++ {
			d := math.Hypot(float64(x)-cx, float64(y)-cy)
			s.blend(x, y, rgb{1, 1, 1}, 0.35*clamp(1.2-math.Abs(d-r)))
		}
	}
}

// paintFish draws one fish as a signed distance: an almond for the body, a
// wedge for the tail that beats with its phase, and an eye.
func (s *sea) paintFish(f *fish) {
	size := 16 - 9*f.depth
	v := math.Hypot(f.vx, f.vy)
	cos, sin := f.vx/v, f.vy/v
	colour := f.colour.mix(s.clip.deep.mix(s.clip.top, 0.4), 0.75*f.depth)
	belly := colour.mix(rgb{1, 1, 1}, 0.45)
	reach := int(size*2.3) + 2
	for y := int(f.y) - reach; y <= int(f.y)+reach; y++ {
		for x := int(f.x) - reach; x <= int(f.x)+reach; x++ {
			dx, dy := float64(x)-f.x, float64(y)-f.y
			lx, ly := (dx*cos+dy*sin)/size, (-dx*sin+dy*cos)/size
			ly += 0.10 * math.Sin(f.phase-lx*2.2) * (1 - lx) // the body waves towards the tail
			paint := belly.mix(colour, clamp(0.6-ly*1.6*sign(cos)))
			if lx > -1 && lx < 1 {
				s.blend(x, y, paint, clamp((0.46*(1-lx*lx)*(1+0.25*lx)-math.Abs(ly))*size+0.5))
			}
			if tail := -0.82 - lx; tail > 0 && tail < 0.85 {
				s.blend(x, y, colour, 0.9*clamp((0.12+tail*0.62-math.Abs(ly))*size+0.5)*clamp((0.85-tail)*size))
			}
			eye := math.Hypot(lx-0.58, ly+0.08*sign(cos))
			s.blend(x, y, rgb{0.05, 0.05, 0.1}, clamp((0.11-eye)*size+0.4)*(1-0.6*f.depth))
		}
	}
}

func (s *sea) blend(x, y int, c rgb, alpha float64) {
	if x < 0 || y < 0 || x >= width || y >= height || alpha <= 0 {
		return
	}
	p := &s.img[y*width+x]
	*p = p.mix(c, math.Min(alpha, 1))
}

func (s *sea) pixels() []byte {
	for i, c := range s.img {
		s.out[i*3], s.out[i*3+1], s.out[i*3+2] = to8(c.r), to8(c.g), to8(c.b)
	}
	return s.out[:]
}

func to8(v float64) byte      { return byte(clamp(v)*255 + 0.5) }
func clamp(v float64) float64 { return math.Max(0, math.Min(1, v)) }
func sign(v float64) float64  { return math.Copysign(1, v) }
