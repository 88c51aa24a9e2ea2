package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errUsage marks errors of the command line itself, which exit with 2.
type errUsage struct{ error }

func usagef(format string, args ...any) error { return errUsage{fmt.Errorf(format, args...)} }

// stopped says in plain words what Ctrl-C has interrupted; another error stays
// what it is.
func stopped(ctx context.Context, err error, what string) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("stopped " + what)
	}
	return err
}

// cause is the reason in a system error without the operation and path, which
// our own message names.
func cause(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		if errors.Is(pe.Err, syscall.ENOENT) {
			return errors.New("there is no such file or folder")
		}
		return pe.Err
	}
	return err
}
