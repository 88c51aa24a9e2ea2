// Package openfiles raises the number of files that this process may have open.
package openfiles

// Most is what a busy tracker wants: the default of fs.nr_open under Linux.
const Most = 1 << 20
