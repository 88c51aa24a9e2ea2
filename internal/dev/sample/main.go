// Command sample draws the two clips of testdata.
//
// A shoal of fish swims through sunlit water to a slow chord. Every picture
// and every note is computed here, so nobody holds rights in them; ffmpeg only
// encodes. Run it from the top of the repository:
//
//	go run ./internal/dev/sample
//
// It rewrites testdata/sample.mp4 (index in front of the media) and
// testdata/sample-tail.mp4 (index behind it). Both stay below 2 MB.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

const (
	width, height = 640, 360
	fps           = 25
	seconds       = 16
	sampleRate    = 44100
	maxBytes      = 2_000_000
)

// clip is one film: its colours, its music and where its index goes.
type clip struct {
	name      string
	seed      uint64
	faststart bool
	top, deep rgb         // water at the surface, water below
	fish      []rgb       // colours of the shoal
	chords    [][]float64 // semitones above A2, one chord every four seconds
}

var clips = []clip{
	{
		name: "sample.mp4", seed: 1, faststart: true,
		top: rgb{0.22, 0.66, 0.78}, deep: rgb{0.01, 0.11, 0.26},
		fish:   []rgb{{1.00, 0.62, 0.30}, {1.00, 0.78, 0.45}, {0.98, 0.50, 0.33}},
		chords: [][]float64{{0, 7, 12, 16}, {5, 9, 12, 17}, {7, 11, 14, 19}, {0, 7, 16, 19}},
	},
	{
		name: "sample-tail.mp4", seed: 7, faststart: false,
		top: rgb{0.93, 0.55, 0.42}, deep: rgb{0.16, 0.06, 0.28},
		fish:   []rgb{{0.75, 0.90, 0.95}, {0.55, 0.80, 0.95}, {0.90, 0.95, 0.85}},
		chords: [][]float64{{0, 3, 7, 12}, {-4, 3, 8, 12}, {-2, 5, 10, 14}, {0, 7, 12, 15}},
	},
}

func main() {
	dir := flag.String("o", "testdata", "folder to write the clips to")
	flag.Parse()
	for _, c := range clips {
		if err := c.render(filepath.Join(*dir, c.name)); err != nil {
			fmt.Fprintf(os.Stderr, "sample: %s: %v\n", c.name, err)
			os.Exit(1)
		}
	}
}

// render draws the clip, composes its sound and has ffmpeg encode both.
func (c clip) render(path string) error {
	wav, err := os.CreateTemp("", "shoal-sample-*.wav")
	if err != nil {
		return err
	}
	defer os.Remove(wav.Name())
	if err := c.writeSound(wav); err != nil {
		return err
	}
	if err := wav.Close(); err != nil {
		return err
	}
	args := []string{
		"-hide_banner", "-loglevel", "error", "-y",
		"-f", "rawvideo", "-pix_fmt", "rgb24", "-s", fmt.Sprintf("%dx%d", width, height), "-r", strconv.Itoa(fps), "-i", "pipe:0",
		"-i", wav.Name(),
		// One key frame a second: a seek lands quickly. bitexact keeps the
		// encoder's name and the date out, so that two runs agree.
		"-c:v", "libx264", "-profile:v", "main", "-pix_fmt", "yuv420p", "-preset", "slower",
		"-b:v", "720k", "-maxrate", "1100k", "-bufsize", "1600k", "-g", strconv.Itoa(fps), "-threads", "1",
		"-c:a", "aac", "-b:a", "96k", "-shortest",
		"-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact",
	}
	if c.faststart {
		args = append(args, "-movflags", "+faststart")
	}
	cmd := exec.Command("ffmpeg", append(args, path)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	drawErr := c.drawFrames(in)
	in.Close()
	if err := cmd.Wait(); err != nil {
		return err
	}
	if drawErr != nil {
		return drawErr
	}
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes\n", path, st.Size())
	if st.Size() > maxBytes {
		return fmt.Errorf("%d bytes, more than %d", st.Size(), maxBytes)
	}
	return nil
}

func (c clip) drawFrames(w io.Writer) error {
	out := bufio.NewWriterSize(w, width*height*3)
	sea := newSea(c)
	for f := range fps * seconds {
		for range 2 {
			sea.swim(0.5 / fps)
		}
		sea.draw(float64(f) / fps)
		if _, err := out.Write(sea.pixels()); err != nil {
			return err
		}
	}
	return out.Flush()
}

// writeSound writes a 16-bit stereo WAV: soft chords, each note a sine with
// two quiet overtones, drifting a little between left and right.
func (c clip) writeSound(w io.Writer) error {
	const n = sampleRate * seconds
	left, right := make([]float64, n), make([]float64, n)
	span := float64(seconds) / float64(len(c.chords))
	for i, chord := range c.chords {
		for k, semi := range chord {
			freq := 110 * math.Pow(2, semi/12)
			start := (float64(i) + 0.04*float64(k)) * span
			pan := 0.5 + 0.3*math.Sin(float64(i*3+k*2))
			for s := int(start * sampleRate); s < n; s++ {
				t := float64(s)/sampleRate - start
				if t > span*1.5 {
					break
				}
				env := math.Min(t/0.4, 1) * math.Exp(-t*0.7)
				ph := 2 * math.Pi * freq * t
				v := env * 0.11 * (math.Sin(ph) + 0.3*math.Sin(2*ph+0.3) + 0.12*math.Sin(3*ph))
				left[s] += v * (1 - pan)
				right[s] += v * pan
			}
		}
	}
	out := bufio.NewWriter(w)
	header := make([]byte, 0, 44)
	header = append(header, "RIFF"...)
	header = binary.LittleEndian.AppendUint32(header, 36+n*4)
	header = append(header, "WAVEfmt "...)
	header = binary.LittleEndian.AppendUint32(header, 16)
	header = binary.LittleEndian.AppendUint16(header, 1) // PCM
	header = binary.LittleEndian.AppendUint16(header, 2) // stereo
	header = binary.LittleEndian.AppendUint32(header, sampleRate)
	header = binary.LittleEndian.AppendUint32(header, sampleRate*4)
	header = binary.LittleEndian.AppendUint16(header, 4)
	header = binary.LittleEndian.AppendUint16(header, 16)
	header = append(header, "data"...)
	header = binary.LittleEndian.AppendUint32(header, n*4)
	out.Write(header)
	for s := range n {
		fade := math.Min(1, float64(n-s)/(0.8*sampleRate))
		for _, v := range [2]float64{left[s], right[s]} {
			binary.Write(out, binary.LittleEndian, int16(math.Tanh(v*1.6*fade)*30000))
		}
	}
	return out.Flush()
}
