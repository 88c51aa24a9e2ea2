// Command shoal shares files with browsers and with every BitTorrent client.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/tracker/load"
)

type cli struct {
	Share   shareCmd   `cmd:"" help:"Share files or folders: prints a link that plays in any browser."`
	Get     getCmd     `cmd:"" help:"Download by link, magnet link, .torrent file or URL."`
	Seed    seedCmd    `cmd:"" help:"Seed what a .torrent file describes."`
	Create  createCmd  `cmd:"" help:"Make a .torrent file."`
	Info    infoCmd    `cmd:"" help:"Show what a .torrent file or magnet link says."`
	Tracker trackerCmd `cmd:"" help:"Run a tracker for browsers (WebSocket) and BitTorrent clients (HTTP, UDP)."`
	Bench   benchCmd   `cmd:"" help:"Measure a tracker under load."`
	Version versionCmd `cmd:"" help:"Print the version."`

	PrintVersion versionFlag `name:"version" help:"Print the version."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c cli
	code := -1
	stdout.failed() // what an earlier run of this process could not write is not this one's fault
	parser, err := kong.New(&c,
		kong.Name("shoal"),
		kong.Description("Share, stream and download over WebTorrent and BitTorrent at once."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Help(func(o kong.HelpOptions, k *kong.Context) error {
			if n := k.Selected(); n != nil && n.DefaultCmd != nil { // its flags are what is asked for
				k.Path = append(k.Path, &kong.Path{Parent: n, Command: n.DefaultCmd})
			}
			return kong.DefaultHelpPrinter(o, k)
		}),
		kong.Exit(func(n int) { code = n; panic(exited{}) }),
		kong.KindMapper(reflect.String, textArgument),
		kong.Writers(stdout, os.Stderr),
		kong.Vars{"load_profiles": strings.Join(load.Profiles(), ",")},
	)
	if err != nil {
		return fail(err)
	}
	// --help prints and wants to exit from within.
	defer func() { recover() }()
	kctx, err := func() (k *kong.Context, err error) {
		defer func() {
			if e := recover(); e != nil {
				if _, ok := e.(exited); !ok {
					panic(e)
				}
			}
		}()
		return parser.Parse(args)
	}()
	if full := stdout.failed(); full != nil { // --help
		return fail(full)
	}
	if code >= 0 {
		return code
	}
	if err != nil {
		tell("shoal: %s (see shoal --help)\n", oneLine(err))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	kctx.BindTo(ctx, (*context.Context)(nil))
	err = kctx.Run()
	if full := stdout.failed(); err == nil {
		err = full
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

type exited struct{}

func fail(err error) int {
	tell("shoal: %s\n", oneLine(err))
	var u errUsage
	if errors.As(err, &u) {
		return 2
	}
	return 1
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

type versionCmd struct{}

// A versionFlag is "shoal version" for those who try it as a flag.
type versionFlag bool

// BeforeReset is called when the flag is given, before anything that may be missing is asked for.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	err := versionCmd{}.Run()
	k.Exit(0)
	return err
}

func (versionCmd) Run() error {
	say("shoal %s (%s, %s/%s)\n", shoal.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
