//go:build !js

package storage

// What a person can do about it here.
const (
	elsewhere  = "; choose another folder"
	permit     = "; change its permissions or choose another folder"
	stopOther  = "; stop the other one or choose another folder"
	biggerDisk = "; choose a folder on another disk"
)
