//go:build linux || darwin

package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
)

// lifelineFD is the read end of a pipe whose write end only the parent has: it ends when the parent does.
const lifelineFD = 3

// stopGrace is how long the engine may take for an orderly end after the parent is gone, and stopRetry how often it is asked again.
const (
	stopGrace = 20 * time.Second
	stopRetry = time.Second
)

// script opens the ports and then sleeps until it is cancelled, whereupon the engine shuts down in order. Waiting for the end of
// standard input instead would need the right to read files, and the session's user has no password.
const script = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
	"SELECT sleepEachRow(0.5) FROM system.numbers FORMAT Null SETTINGS max_block_size = 1"

// cancelScript ends script; its session has the empty user name, unlike every client's.
const cancelScript = "KILL QUERY WHERE user = ''"

// Main is the child process: it loads the engine library and serves until the parent closes the lifeline or ends. args are the
// arguments after SubCommand. It returns the exit status; status 0 does not mean that the engine ever served.
func Main(args []string) int {
	fs := flag.NewFlagSet(SubCommand, flag.ContinueOnError)
	lib := fs.String("library", "", "engine library")
	config := fs.String("config", "", "configuration file")
	data := fs.String("data", "", "data folder")
	host := fs.String("listen", "127.0.0.1", "address to listen on")
	tcp := fs.Int("tcp-port", 0, "native protocol")
	http := fs.Int("http-port", 0, "HTTP")
	check := fs.Bool("check", false, "load the library and end")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	h, err := purego.Dlopen(*lib, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		fmt.Fprintf(os.Stderr, "load engine library: %v\n", err)
		return 1
	}
	if _, err := purego.Dlsym(h, "chdb_query_cmdline"); err != nil {
		fmt.Fprintf(os.Stderr, "the library %s is not the engine: %v\n", *lib, err)
		return 1
	}
	if *check {
		fmt.Println("ok")
		return 0
	}
	users, err := loadPasswords(filepath.Join(filepath.Dir(*config), usersFile))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := &client{addr: net.JoinHostPort(*host, strconv.Itoa(*http)), users: users}
	if err := followParent(c); err != nil {
		fmt.Fprintf(os.Stderr, "engine lifeline: %v\n", err)
		return 1
	}
	runtime.LockOSThread() // For good: the engine starts its threads from this one, and they are confined as it is.
	if err := confineEngine(*lib, *config, *data); errors.Is(err, errUnconfined) {
		fmt.Fprintf(os.Stderr, "the engine is not confined to its own files: %v\n", err)
	} else if err != nil {
		fmt.Fprintf(os.Stderr, "confine the engine to its own files: %v\n", err)
		return 1
	}
	call(h, []string{
		"clickhouse-local", "--config-file=" + *config, "--path=" + *data, "--listen_host=" + *host,
		"--tcp_port=" + strconv.Itoa(*tcp), "--http_port=" + strconv.Itoa(*http), "--query=" + script,
	})
	return 0
}

// followParent ends the engine when the lifeline does or a signal to stop arrives: in order if it can, and after stopGrace by ending
// the process, because nobody would be there to do it.
func followParent(c *client) error {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	if _, err := lifeline.Stat(); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	signal.Ignore(syscall.SIGINT, syscall.SIGPIPE, syscall.SIGHUP)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, lifeline) // Any end of the lifeline, also an error, means that the parent is gone.
	}()
	go func() {
		select {
		case <-gone:
		case <-stop:
		}
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		for ctx.Err() == nil {
			// It fails while the engine is still starting and after it began to stop; both are no reason to give up.
			_, _ = c.query(ctx, RoleMigrator, cancelScript)
			select {
			case <-time.After(stopRetry):
			case <-ctx.Done():
			}
		}
		os.Exit(3)
	}()
	return nil
}

// call runs the engine's command line and returns when it ended.
func call(lib uintptr, args []string) {
	// Our handlers stay: the engine's own would take the signals that the Go runtime needs.
	var handlers func(bool)
	if _, err := purego.Dlsym(lib, "chdb_set_signal_handlers_enabled"); err == nil {
		purego.RegisterLibFunc(&handlers, lib, "chdb_set_signal_handlers_enabled")
		handlers(false)
	}
	var run func(argc int32, argv unsafe.Pointer) uintptr
	purego.RegisterLibFunc(&run, lib, "chdb_query_cmdline")
	argv := make([]*byte, len(args)+1) // C wants a null pointer at the end.
	for i, a := range args {
		argv[i] = &append([]byte(a), 0)[0]
	}
	run(int32(len(args)), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
}
