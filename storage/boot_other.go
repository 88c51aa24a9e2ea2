//go:build !linux && !darwin && !js

package storage

// bootID names this run of the operating system, "" when unknown. What was
// written in an earlier one may have been lost with the power.
func bootID() string { return "" }
