package main

import (
	"fmt"
	"reflect"

	"github.com/alecthomas/kong"
)

// textArgument takes an argument as the bytes that it is. By itself kong has strings go
// through JSON, which replaces what is no UTF-8: a file of such a name could not be
// named.
var textArgument = kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("string")
	if err != nil {
		return err
	}
	text, ok := t.Value.(string)
	if !ok {
		return fmt.Errorf("expected a string but got %v", t.Value)
	}
	target.SetString(text)
	return nil
})
