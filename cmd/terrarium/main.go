// Command terrarium is the whole registry in one program: the server, its
// worker and what an operator does beside them. It parses and calls package
// app; nothing is decided here.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"terrarium/internal/app"
	"terrarium/internal/errs"
)

// version is set by the Makefile.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1 // refused or failed, with one sentence on stderr
	exitUsage  = 2
)

// run parses the arguments and carries the command out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("terrarium"),
		kong.Description("A registry for conda packages."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	kctx, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "terrarium: %s\n", err)
		return exitUsage
	}
	p := &program{ctx: ctx, flags: c.given(), stdin: stdin, stdout: stdout, stderr: stderr, json: c.JSON}
	if err := kctx.Run(p); err != nil {
		fmt.Fprintf(stderr, "terrarium: %s\n", sentence(err))
		return exitFailed
	}
	return exitDone
}

// sentence gives what an operator may read: here, unlike on the web, the cause
// too, since it is their own machine.
func sentence(err error) string {
	if errs.KindOf(err) == errs.Internal {
		return err.Error()
	}
	s := errs.Message(err)
	if cause := errs.Cause(err); cause != nil {
		s += " (" + cause.Error() + ")"
	}
	return strings.Join(strings.Fields(s), " ") // one line, also where a driver says more
}

// cli is the command line: settings may stand before or after any command.
type cli struct {
	settings
	JSON bool `help:"Print lists as JSON." name:"json"`

	Serve   serveCmd   `cmd:"" help:"Run the registry."`
	Worker  workerCmd  `cmd:"" help:"Run jobs only, beside any number of serve."`
	User    userCmd    `cmd:"" help:"Make and change accounts."`
	Owner   ownerCmd   `cmd:"" help:"Delete users and organisations, and bring them back."`
	Token   tokenCmd   `cmd:"" help:"Make tokens."`
	Channel channelCmd `cmd:"" help:"Load channels."`
	Backup  backupCmd  `cmd:"" help:"Write everything into one file, while serving."`
	Restore restoreCmd `cmd:"" help:"Load a backup into an empty place."`
	Fsck    fsckCmd    `cmd:"" help:"Check that rows and bytes agree."`
	GC      gcCmd      `cmd:"" name:"gc" help:"Erase deleted owners, empty the trash and sweep what nothing names."`
	Migrate migrateCmd `cmd:"" help:"Bring the schema up to this program."`
	Version versionCmd `cmd:"" help:"Print the version."`
	Config  configCmd  `cmd:"" name:"config" help:"Print every setting with its value and where it came from."`
}

// program is what a command runs in.
type program struct {
	ctx            context.Context
	flags          map[string]string
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
}

// config loads and parses the settings.
func (p *program) config() (app.Config, error) {
	values, err := app.Load(p.flags, os.LookupEnv)
	if err != nil {
		return app.Config{}, err
	}
	return app.Parse(values)
}

// open opens the store without serving it; close must follow.
func (p *program) open() (*app.App, error) {
	cfg, err := p.config()
	if err != nil {
		return nil, err
	}
	return app.New(p.ctx, cfg, app.NewLog(p.stderr, cfg))
}
