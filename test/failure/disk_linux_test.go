package failure_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"terrarium/test/program"
)

// disk is the place of a store whose room can be taken and given back.
type disk struct {
	data string // the folder of the store
	// uploads says that uploads alone fill it.
	uploads bool
	// says is a part of the sentence that refuses an upload.
	says string
	take func(t *testing.T, s *program.Server)
	give func(t *testing.T, s *program.Server)
}

// disks are the ways of having a full disk: a limit to the size of files, which
// everybody may set to their own processes, and, where tests may mount, a small
// file system.
func disks(t *testing.T) map[string]disk {
	t.Helper()
	all := map[string]disk{"limit": limited(t)}
	if d, err := mounted(t); err == nil {
		all["tmpfs"] = d
	} else {
		t.Logf("no file system can be mounted (%v): the limit must do", err)
	}
	return all
}

// limited is a folder on which the server can be kept from writing.
func limited(t *testing.T) disk {
	t.Helper()
	return disk{
		data: filepath.Join(t.TempDir(), "data"),
		says: "files as large",
		take: func(t *testing.T, s *program.Server) { limitFiles(t, s.PID, 0) },
		give: func(t *testing.T, s *program.Server) {
			if s != nil { // a limit goes with its process
				limitFiles(t, s.PID, noLimit)
			}
		},
	}
}

const noLimit = unix.RLIM_INFINITY

// limitFiles sets RLIMIT_FSIZE of a process that runs: how large its files may
// become. A write beyond it is EFBIG.
func limitFiles(t *testing.T, pid int, size uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: noLimit}, nil); err != nil {
		t.Fatalf("prlimit: %v", err)
	}
}

// mounted is a file system of 12 MiB in memory. Only root may have it.
func mounted(t *testing.T) (disk, error) {
	t.Helper()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=12m,mode=0700"); err != nil {
		return disk{}, err
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", root, err)
		}
	})
	// Without it uploads would fill the disk so that giving up the filler gave
	// no room.
	filler := filepath.Join(root, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err != nil {
		return disk{}, err
	}
	return disk{
		data:    filepath.Join(root, "data"),
		uploads: true,
		says:    "no space left",
		take: func(t *testing.T, _ *program.Server) {
			t.Helper()
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for page := make([]byte, 4096); err == nil; {
				_, err = f.Write(page)
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("filling the disk: %v", err)
			}
		},
		give: func(t *testing.T, _ *program.Server) {
			t.Helper()
			if err := os.Remove(filler); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		},
	}, nil
}
