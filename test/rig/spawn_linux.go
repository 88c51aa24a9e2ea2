package rig

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

var spawner struct {
	once sync.Once
	jobs chan func()
}

// spawn starts a program that the kernel ends when this process is gone,
// however it went: a test that runs into its time limit cleans nothing up. The
// kernel watches the thread that started it, so one thread starts them all and
// never ends.
func spawn(cmd *exec.Cmd) error {
	spawner.once.Do(func() {
		spawner.jobs = make(chan func())
		go func() {
			runtime.LockOSThread()
			for job := range spawner.jobs {
				job()
			}
		}()
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error)
	spawner.jobs <- func() { result <- cmd.Start() }
	return <-result
}
