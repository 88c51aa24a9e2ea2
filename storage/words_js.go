package storage

// What a person can do about it here.
const (
	elsewhere  = ""
	permit     = ""
	stopOther  = "; close it there"
	biggerDisk = ""
)
