//go:build unix && !linux

package main

// webLine needs networks of Linux.
func (b *bench) webLine() { b.Fatalf("slow lines are made on Linux alone") }
