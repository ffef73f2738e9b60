// Command load asks a server for documents over many connections, counts what
// comes back and reads what the server's process cost meanwhile. It is a
// program of its own, so that it can be bound to a core that the server does
// not have.
//
//	load -url http://127.0.0.1:8080 -paths FILE -n 20000 -c 64 -pid 4711
//
// FILE holds one path a line. Every path is asked for once before anything
// counts. It prints one line of JSON; an answer that is not what it should be
// ends it with 1.
package main

import (
	"encoding/json/v2"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// options are what the command line says.
type options struct {
	url         string
	paths       []string
	requests    int
	connections int
	streams     int // at once on each connection; more than one is HTTP/2
	header      string
	conditional bool
	pid         int
}

// result is what is printed; times are in nanoseconds.
type result struct {
	Requests int   `json:"requests"`
	Bytes    int64 `json:"bytes"` // of bodies
	Wall     int64 `json:"wall"`  // from the first request to the last answer
	CPU      int64 `json:"cpu"`   // of the server's process
	P50      int64 `json:"p50"`
	P99      int64 `json:"p99"`
}

func main() {
	opt, err := parse()
	if err == nil {
		err = run(opt)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func parse() (options, error) {
	var opt options
	flag.StringVar(&opt.url, "url", "", "scheme, host and port of the server")
	file := flag.String("paths", "", "file with one path a line")
	flag.IntVar(&opt.requests, "n", 10_000, "requests to make")
	flag.IntVar(&opt.connections, "c", 64, "connections")
	flag.IntVar(&opt.streams, "streams", 1, "requests at once on each connection; more than 1 is HTTP/2")
	flag.StringVar(&opt.header, "header", "", "a further header, \"Name: value\"")
	flag.BoolVar(&opt.conditional, "conditional", false, "ask with the ETag of the first answer and want 304")
	flag.IntVar(&opt.pid, "pid", 0, "process of the server")
	flag.Parse()
	text, err := os.ReadFile(*file)
	if err != nil {
		return opt, err
	}
	opt.paths = strings.Fields(string(text))
	if opt.url == "" || len(opt.paths) == 0 || opt.pid == 0 {
		return opt, errors.New("-url, -paths and -pid must be given")
	}
	return opt, nil
}

// conn is one connection, on which one request after the other is made.
type conn interface {
	// get asks for a path, with an ETag unless that is "", and gives the
	// status, the ETag and the number of bytes of the body.
	get(path, etag string) (answer, error)
}

type answer struct {
	status int
	etag   string
	bytes  int64
}

func run(opt options) error {
	conns, err := dial(opt)
	if err != nil {
		return err
	}
	etags := make([]string, len(opt.paths))
	for i, path := range opt.paths {
		got, err := conns[i%len(conns)].get(path, "")
		if err != nil {
			return err
		}
		if got.status != 200 {
			return fmt.Errorf("GET %s: %d, want 200", path, got.status)
		}
		if opt.conditional {
			etags[i] = got.etag
		}
	}
	took := make([]time.Duration, opt.requests)
	var next, bytes atomic.Int64
	failed := make(chan error, len(conns))
	var wg sync.WaitGroup
	before, err := processorTime(opt.pid)
	if err != nil {
		return err
	}
	begun := time.Now()
	for _, c := range conns {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < opt.requests; i = int(next.Add(1)) - 1 {
				at := i % len(opt.paths)
				start := time.Now()
				got, err := c.get(opt.paths[at], etags[at])
				took[i] = time.Since(start)
				bytes.Add(got.bytes)
				want := 200
				if etags[at] != "" {
					want = 304
				}
				if err == nil && got.status != want {
					err = fmt.Errorf("GET %s: %d, want %d", opt.paths[at], got.status, want)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	r := result{Requests: opt.requests, Bytes: bytes.Load(), Wall: time.Since(begun).Nanoseconds()}
	after, err := processorTime(opt.pid)
	if err != nil {
		return err
	}
	close(failed)
	if err := <-failed; err != nil {
		return err
	}
	r.CPU = (after - before).Nanoseconds()
	slices.Sort(took)
	r.P50, r.P99 = took[len(took)/2].Nanoseconds(), took[len(took)*99/100].Nanoseconds()
	return json.MarshalWrite(os.Stdout, r)
}

// processorTime is what the threads of a process have run so far, the first
// number of schedstat; the ticks of 10 ms in stat are too coarse for short rounds.
// None of the servers ends threads under load.
func processorTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		return 0, fmt.Errorf("there is no process %d", pid)
	}
	var all time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		var ran int64
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			return 0, err
		}
		all += time.Duration(ran)
	}
	return all, nil
}
