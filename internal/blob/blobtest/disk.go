package blobtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"terrarium/internal/blob"
)

// Disk imitates a disk that loses power. Its Trace goes into blob.Options; Cut
// takes away from the folder whatever a real disk might have lost: the content
// of files that were written to after their last sync, and the names given in a
// folder after its last sync.
type Disk struct {
	// Before, if not nil, is asked before each step and may forbid it, as a
	// full disk or a sudden end of the process would.
	Before func(blob.Step) error
	// Lies makes the disk say that it has synced without doing so.
	Lies bool

	mu      sync.Mutex
	content map[string]bool   // files with content that is not synced
	renamed map[string]string // new names that are not synced, with the old ones
	made    map[string]bool   // folders whose names are not synced
}

// Trace is told of each step.
func (d *Disk) Trace(step blob.Step) error {
	if d.Before != nil {
		if err := d.Before(step); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.content == nil {
		d.content, d.renamed, d.made = map[string]bool{}, map[string]string{}, map[string]bool{}
	}
	switch step.Op {
	case blob.Make:
		d.made[step.Path] = true
	case blob.Write:
		d.content[step.Path] = true
	case blob.Rename:
		if d.content[step.Path] {
			delete(d.content, step.Path)
			d.content[step.To] = true
		}
		// Of a name that is given anew either meaning may last; both are the
		// same bytes.
		if _, err := os.Lstat(step.To); errors.Is(err, fs.ErrNotExist) {
			d.renamed[step.To] = step.Path
		}
	case blob.Remove:
		delete(d.content, step.Path)
		delete(d.renamed, step.Path)
	case blob.Sync:
		if !d.Lies {
			delete(d.content, step.Path)
		}
	case blob.SyncFolder:
		if d.Lies {
			return nil
		}
		for name := range d.renamed {
			if filepath.Dir(name) == step.Path {
				delete(d.renamed, name)
			}
		}
		for name := range d.made {
			if filepath.Dir(name) == step.Path {
				delete(d.made, name)
			}
		}
	}
	return nil
}

// Cut cuts the power. The store must not be used any more; another one may be
// opened over the same folder.
func (d *Disk) Cut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all error
	ignoreAbsent := func(err error) {
		if !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	for path := range d.content {
		ignoreAbsent(os.Truncate(path, 0))
	}
	for to, from := range d.renamed {
		ignoreAbsent(os.Rename(to, from))
	}
	for path := range d.made {
		ignoreAbsent(os.RemoveAll(path))
	}
	clear(d.content)
	clear(d.renamed)
	clear(d.made)
	return all
}
