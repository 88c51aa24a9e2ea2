//go:build unix

package rig

import (
	"os/exec"
	"path/filepath"
)

// LongFilm makes a film of two minutes and some 25 MB that a slow line takes
// its time for; its index is in front.
func LongFilm(t T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "long.mp4")
	out, err := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10,noise=alls=60:allf=t",
		"-f", "lavfi", "-i", "sine=frequency=330:sample_rate=44100",
		"-t", "120", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20", "-b:v", "1600k",
		"-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v %s", err, out)
	}
	return path
}
